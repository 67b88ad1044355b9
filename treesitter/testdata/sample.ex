defmodule Shop.Cart do
  @moduledoc """
  Keeps items.
  """
  use GenServer

  @timeout 5000

  defstruct [:items]

  # A comment.
  @doc "Adds an item."
  @spec add(t, Item.t()) :: t
  def add(cart, item) do
    %{cart | items: [item | cart.items]}
  end

  def size(%{items: items}), do: length(items)

  def total([]), do: 0
  def total([h | t]) when is_integer(h), do: h + total(t)

  def guarded(x) when x > 0 do
    x
  end

  defp secret, do: 1

  def no_args do
    secret()
  end

  def head(a, b \\ 1)

  @impl true
  def handle_call(:get, _from, state) do
    step = fn x -> x + 1 end
    {:reply, step.(1), state}
  rescue
    e -> {:reply, e, state}
  end

  defmacro twice(x) do
    quote do: unquote(x) * 2
  end

  defguard is_even(x) when rem(x, 2) == 0

  defdelegate fetch(map, key), to: Map

  def left + right, do: left

  defmodule Inner do
    def go(), do: :ok
  end
end

defprotocol Size do
  def size(data)
end

defimpl Size, for: Map do
  def size(map), do: map_size(map)
end

defmodule Shop.CartTest do
  use ExUnit.Case

  test "adds an item" do
    assert true
  end
end
