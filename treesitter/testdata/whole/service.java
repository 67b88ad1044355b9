package shop;

import java.util.*;
import java.util.function.*;

/**
 * Orders.
 */
@RestController
@RequestMapping("/orders")
public class OrderController<T extends Comparable<T>> extends Base implements Runnable, Closeable {
    private static final Function<String, Integer> LEN = s -> s.length();
    private final Map<String, T> cache = new HashMap<>();

    static {
        LEN.apply("x");
    }

    public OrderController() { this(null); }

    @Autowired
    public OrderController(@Qualifier("main") Repo repo) {
        super(repo);
    }

    /** Finds. */
    @GetMapping("/{id}")
    @Transactional(readOnly = true)
    public <R extends T> Optional<R> find(@PathVariable("id") long id) throws IOException {
        Supplier<R> loader = () -> {
            return repo.load(id);
        };
        return Optional.of(loader.get());
    }

    public T find(String id) { return cache.get(id); }

    @Override public void run() {
        new Thread(new Runnable() {
            @Override
            public void run() { close(); }
        }).start();
    }

    abstract int size();

    synchronized final void größe(int... werte) {}

    record Line(String sku, int n) {
        Line {
            if (n < 0) throw new IllegalArgumentException();
        }
        static Line of(String s) { return new Line(s, 1); }
    }

    enum State implements Supplier<String> {
        OPEN { @Override public String get() { return "o"; } },
        CLOSED;
        public String get() { return "c"; }
    }

    sealed interface Shape permits Circle {
        double area();
        default String name() { return "shape"; }
        private static void help() {}
    }

    @interface Audit { String value() default ""; }

    class Inner {
        class Deep { void run() {} }
    }
}

interface Later<A, B> { <C> C then(A a, B b); }
