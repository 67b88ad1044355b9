"""A FastAPI application that calls its upstream (UPSTREAM_URL) for each request: with one pooled client, or with a client for
every call. /upstream is an upstream for it to call."""

import os

import httpx
from fastapi import FastAPI

app = FastAPI()
upstream = os.environ.get("UPSTREAM_URL", "")
pooled = httpx.Client(timeout=8)


@app.get("/upstream")
def answer() -> dict:
    return {"answer": 42}


@app.get("/pooled")
def call_with_pooled_client() -> dict:
    return pooled.get(f"{upstream}/upstream").raise_for_status().json()


@app.get("/per-call")
def call_with_new_client() -> dict:
    # Without verify=False each new client reads all root certificates first, for nothing on plain HTTP: many milliseconds whose
    # variation would drown what is measured.
    return httpx.get(f"{upstream}/upstream", timeout=8, verify=False).raise_for_status().json()
