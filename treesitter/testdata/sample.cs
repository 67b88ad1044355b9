using System;

namespace Shop.Orders
{
    /// <summary>Keeps orders.</summary>
    [ApiController]
    [Route("orders")]
    public class Orders<T> : Base, IStore<T> where T : Order
    {
        private readonly Func<int, int> twice = x => x * 2;

        /// <summary>Makes one.</summary>
        public Orders(Repository repository) : base(repository)
        {
            this.repository = repository;
        }

        static Orders() { }

        ~Orders() { Close(); }

        public int Count { get; private set; }

        public string Name
        {
            get { return name; }
            set => name = value;
        }

        public int Size => items.Count;

        public T this[int index] => items[index];

        [HttpGet("{id}")]
        public async Task<T> Find<R>([FromRoute] string id, R other = default)
        {
            int Local(int x)
            {
                return x + 1;
            }
            Func<int, int> step = n => Local(n);
            var block = delegate (int n) { return n; };
            return await repository.Find(id);
        }

        public T Find(int id) => default;

        public abstract void Run();

        public static Orders<T> operator +(Orders<T> a, Orders<T> b) => a;

        public static implicit operator string(Orders<T> o) => o.Name;

        void IStore<T>.Explicit() { }

        public event EventHandler Changed
        {
            add { }
            remove { }
        }

        public delegate void Handler(int code);

        private class Inner
        {
            void Go() { }
        }
    }

    public interface IStore<T>
    {
        T Find(int id);
    }

    public struct Point
    {
        public int X;
        public readonly int Sum() => X;
    }

    public record Line(string Sku, int Count)
    {
        public int Total() => Count;
    }

    public record struct Pair(int A, int B);

    public enum State { Open, Done }

    public static class Extensions
    {
        public static string Shout(this string s) => s.ToUpper();
    }
}
