import express, { type Request } from "express";

/** An identifier. */
export type Id = string & { readonly brand: unique symbol };

export interface Repo<T extends object = {}> {
  find(id: Id): Promise<T | undefined>;
  readonly size: number;
}

export enum State { Open = "open", Closed = "closed" }

declare global {
  interface Window { shop: Shop }
}

declare function legacy(x: number): string;

export function parse(text: string): Order;
export function parse(text: Buffer): Order;
export function parse(text: string | Buffer): Order {
  return JSON.parse(String(text));
}

// Doubles.
export const double = (n: number): number => n * 2;

const curry = <A, B, C>(f: (a: A, b: B) => C) => (a: A) => (b: B): C => f(a, b);

export default async function main(): Promise<void> {
  const step = async (n: number) => {
    function inner() { return n; }
    return inner();
  };
  await step(1);
}

@Injectable()
export class Shop<T> implements Repo<Order> {
  static #count = 0;
  private cache = new Map<string, T>();

  constructor(private readonly http: Http, @Inject(TOKEN) private token?: string) {}

  get size(): number { return this.cache.size; }
  set size(n: number) { throw new Error("no"); }

  @Get(":id")
  @UseGuards(Auth)
  async find(@Param("id") id: Id): Promise<Order | undefined> {
    return this.#load(id);
  }

  async #load(id: Id) { return undefined; }

  handle = async (req: Request) => { await this.find(req.params.id as Id); };

  static of<U>(this: void, u: U): Shop<U>;
  static of<U>(u: U): Shop<U> { return new Shop<U>(null!); }

  *[Symbol.iterator]() { yield 1; }

  protected optional?: () => void;
}

export abstract class Base {
  abstract run(): void;
  protected helper?(): void;
  done(): asserts this is Done { }
}

namespace Util.Deep {
  export function größe(x: string) { return x.length; }
}

export const api = {
  list() { return []; },
  get: async (id: string) => id,
  "delete-all": function () {},
  nested: { deep: (x: number) => x },
  async *walk() { yield 1; },
} satisfies Record<string, unknown>;

export const useCart = () => {
  const total = useMemo(() => 1, []);
  const add = useCallback((x: number) => x + total, [total]);
  return { add };
};

module.exports.old = function named() { return 1; };
const Lazy = class Inner { run() {} };
router.get("/x", async function handler(req, res) {});
