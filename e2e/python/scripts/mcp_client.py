"""What the scripts beside this file share: how an MCP client starts fault, and how the text of an answer is read."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser()
    p.add_argument("--log-file", help="let fault write a debug log there")
    return p


def config(args: argparse.Namespace) -> dict:
    """The settings that an MCP client takes, as in an editor's settings file."""
    fault = shutil.which(os.environ.get("FAULT_BIN", "fault"))
    if fault is None:
        sys.exit("fault: command not found")
    arguments = ["--log-file", args.log_file, "--log-level", "debug"] if args.log_file else []
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME")}
    return {"mcpServers": {"local": {"command": fault, "args": [*arguments, "agent", "tool"], "env": environment}}}


def text(result: object) -> str:
    """The text of an answer: FastMCP 2.9 returns the list of contents, later releases an object that has it."""
    contents = result if isinstance(result, Sequence) else result.content
    return contents[0].text
