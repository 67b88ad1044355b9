'use strict';
const express = require('express');

/**
 * Adds two numbers.
 */
function add(a, b) {
  return a + b;
}

async function load(url) { return fetch(url); }

function* ids() {
  yield 1;
}

async function* pages() {
  yield await load('/');
}

// An arrow function.
const double = (x) => x * 2;

const triple = x => {
  return x * 3;
};

let later = async function () {
  await load('/later');
};

var named = function inner() { return 1; }, other = () => 2;

export const exported = () => 1;

export function visible() {}

export default class Cart extends Base {
  static count = 0;
  items = [];
  total = () => this.items.length;
  static of = function (...items) { return new Cart(items); };
  #secret = async () => 42;

  constructor(items) {
    super();
    this.items = items;
    this.onChange = () => this.render();
  }

  get size() { return this.items.length; }
  set size(n) { this.items.length = n; }
  static async create() {
    const step = (n) => n + 1;
    return new Cart([step(1)]);
  }
  *[Symbol.iterator]() { yield* this.items; }
  #hidden() { return 1; }
  'quoted name'() { return 2; }
  async *stream() {}
}

const Money = class {
  add(other) { return other; }
};

const api = {
  get(id) { return id; },
  post: async (body) => body,
  put: function (body) { return body; },
  'del-ete': () => {},
  nested: {
    deep() { return 1; },
  },
  async patch() {},
  get url() { return '/'; },
};

Cart.prototype.clear = function () {
  this.items = [];
};

Cart.empty = () => new Cart([]);

exports.send = async function (message) {
  return message;
};

module.exports.receive = (message) => message;

module.exports = function create(options) {
  return options;
};

module.exports = {
  start() { return 1; },
  stop: () => 2,
};

@Component({ selector: 'x' })
class Widget {
  @Input()
  name() { return 'x'; }
}

const View = ({ name }) => <div onClick={() => go()}>{name}</div>;

const Memo = memo(function Memo() { return null; });

const useThing = useCallback(async (x) => {
  return x;
}, []);

(function iife() { return 1; })();

setTimeout(function tick() {}, 1);

if (add) {
  function where() { return 1; }
} else {
  function where() { return 2; }
}

({ assigned: api.assigned = () => 1 });

assignedLater = function () {};
