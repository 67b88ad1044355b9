using System;
namespace Shop.Orders;

/// <summary>Orders.</summary>
[ApiController]
[Route("orders")]
public sealed partial class OrderController<T> : ControllerBase, IDisposable where T : class, new()
{
    private readonly Func<int, int> _double = n => n * 2;
    public int Count { get; private set; }
    public string Name => "x";
    public int Size { get { return 1; } set { Count = value; } }
    public T this[int i] => default!;
    public event EventHandler Changed { add { } remove { } }

    static OrderController() { }
    public OrderController(ILogger log) : base() { }
    ~OrderController() { }

    [HttpGet("{id}")]
    public async Task<ActionResult<T>> Find<TKey>([FromRoute] TKey id, CancellationToken ct = default) where TKey : notnull
    {
        int Local(int n) => n + 1;
        static int Other() { return 1; }
        Func<int> f = () => 1;
        var g = async (int x) => { await Task.Yield(); };
        return Ok(Local(1));
    }

    public void Find(string id) { }
    void IDisposable.Dispose() { }
    public static OrderController<T> operator +(OrderController<T> a, int b) => a;
    public static implicit operator int(OrderController<T> a) => 1;
    protected virtual int Größe(params int[] x) => x.Length;
    public abstract record Line(string Sku, int N) { public decimal Price() => 1m; }
    private struct Pos { public readonly int X() => 1; }
    enum State { Open, Closed }
    delegate void Handler(object o);
}

public interface IRepo<in TKey> { Task<int> Load(TKey k); int Default() => 1; }
public record struct Money(decimal Amount);
public static class Ext { public static int Twice(this int n) => n * 2; }
