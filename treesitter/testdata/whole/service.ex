defmodule Shop.Orders do
  @moduledoc """
  Orders.
  """
  use GenServer
  alias Shop.Repo

  defstruct [:id, items: []]

  @doc "Finds."
  @spec find(integer()) :: {:ok, t} | :error
  def find(id) when is_integer(id) do
    helper = fn x -> x + 1 end
    helper.(id)
  end

  def find(_), do: :error

  defp secret(a, b \\ 1), do: a + b

  @impl true
  def handle_call(:get, _from, state) do
    {:reply, state, state}
  end

  defmacro unless2(clause, do: block) do
    quote do: if(!unquote(clause), do: unquote(block))
  end

  defguard is_even(n) when rem(n, 2) == 0
  defdelegate all(), to: Repo

  def total?(x), do: x
  def bang!(x) do
    x
  rescue
    e -> e
  end

  def a + b, do: {a, b}

  defmodule Line do
    def price(%{n: n} = line), do: n
  end
end

defprotocol Shop.Size do
  def size(x)
end

defimpl Shop.Size, for: Map do
  def size(x), do: map_size(x)
end
