import { Injectable } from '@angular/core';

/** Keeps things. */
export interface Store<T> {
  get(id: string): T;
  readonly size: number;
}

export type Handler = (req: Request) => Promise<Response>;

enum Color { Red, Green }

export const enum Level { Low = 1 }

declare function external(name: string): void;

function over(a: string): string;
function over(a: number): number;
function over(a: any): any {
  return a;
}

// Says hello.
export async function hello<T extends object>(name: string, opts?: T): Promise<string> {
  return name;
}

const typed: Handler = async (req) => new Response();

export const generic = <T,>(x: T): T => x;

const cast = <string>(<unknown>hello);

export abstract class Repo<T> implements Store<T> {
  private cache = new Map<string, T>();
  readonly find = (id: string): T | undefined => this.cache.get(id);
  static readonly make = function <T>(): Repo<T> | null { return null; };

  constructor(private readonly http: HttpClient) {}

  abstract load(id: string): Promise<T>;

  get(id: string): T {
    return this.cache.get(id)!;
  }

  get(id: number): T;

  @Memo()
  // between
  @Log('x')
  public async fetch(@Param('id') id: string): Promise<T> {
    return this.load(id);
  }

  protected static create<T>(): void {}

  get size(): number { return this.cache.size; }
}

@Injectable()
export class Service {
  @Input() name = 'x';
  run = () => 1;
}

@Controller('plain')
class Plain {}

namespace Util {
  export function pad(s: string): string { return s; }
  export namespace Deep {
    export const trim = (s: string) => s.trim();
  }
}

declare module 'ambient' {
  export function patch(): void;
}

const table = {
  a: (n: number) => n,
  b(n: number): number { return n; },
} as const;

const checked = {
  c: (n: number) => n,
} satisfies Record<string, unknown>;

export default function main(): void {}

const asserted = (function () { return 1; }) as Handler;
