require 'json'

# Adds two numbers.
# Twice.
def add(a, b)
  a + b
end

def short(x) = x * 2

module Shop
  # A cart.
  class Cart < Base
    attr_reader :items

    def initialize(items = [])
      @items = items
    end

    def self.create(*items)
      new(items)
    end

    class << self
      def build
        new
      end
    end

    def empty?
      items.empty?
    end

    def [](i) = items[i]

    def ==(other)
      true
    end

    def name=(value)
      @name = value
    end

    define_method(:dynamic) do |x|
      x
    end

    define_method("spoken") { |x| x }

    private def secret
      1
    end

    def outer
      def inner
        2
      end
    end

    def rescued
      work
    rescue StandardError => e
      raise e
    ensure
      close
    end

    def nothing; end
  end

  class Error < StandardError; end

  Point = Struct.new(:x, :y) do
    def length
      x + y
    end
  end

  def self.version = 1
end

class Shop::Order
  def total = 0
end

double = ->(x) { x * 2 }

triple = lambda do |x|
  x * 3
end

quad = proc { |x| x * 4 }

HANDLER = Proc.new { |x| x }

object = Object.new
def object.special
  1
end

get '/items/:id' do
  'item'
end
