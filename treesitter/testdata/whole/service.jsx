'use strict'
const express = require('express')
const app = express()

/**
 * Adds.
 * @param {number} a
 */
function add (a, b = 1, ...rest) { return a + b }

exports.sub = (a, b) => a - b
module.exports = { add, mul (a, b) { return a * b }, div: (a, b) => a / b }

async function * gen () { yield 1 }

var self = this
Cart.prototype.clear = function () { this.items = [] }
Cart.create = async () => new Cart()

function Cart () {
  this.items = []
  this.push = function (x) { this.items.push(x) }
  var that = this
  function private_ () { return that }
}

;(function iife () {
  function hidden () {}
}())

class Größe extends Base {
  static async load () {}
  get x () { return 1 }
  set x (v) {}
  ['computed' + 1] () {}
  #secret () {}
  static { function boot () {} }
  arrow = x => x
}

const Comp = ({ a }) => <div onClick={() => a()}>{a}</div>
const { destructured = () => 1 } = {}
let later
later = function () {}
export { add as plus }
app.get('/x', (req, res) => res.send('x'))
const $ = _ => _, _x = async x => { await x }
