#!/usr/bin/env ruby
# frozen_string_literal: true
module Shop
  # Orders.
  class Order < Base
    include Comparable
    attr_accessor :id

    def initialize(id, *items, deep: false, **rest, &block)
      @id = id
    end

    def self.find(id) = new(id)

    class << self
      def all
        []
      end
    end

    def total? = items.any?
    def total=(v)
      @total = v
    end

    def <=>(other)
      id <=> other.id
    end

    def [](i) = items[i]

    private def secret
      helper = ->(x) { x + 1 }
      twice = lambda do |x|
        x * 2
      end
      helper.call(1)
    end

    define_method(:dyn) { |x| x }

    protected

    def größe; @items.size; end
  end

  module Util
    module_function
    def help(x) x end
  end

  Point = Struct.new(:x, :y) do
    def dist; x + y; end
  end
end

class Shop::Late::Thing
  def run; end
end

def top(a, b = {})
  [a, b].each do |x|
    puts x
  end
rescue StandardError => e
  retry
ensure
  nil
end

get '/x' do
  'x'
end
