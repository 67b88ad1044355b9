package shop;

import java.util.List;
import java.util.function.Function;

/**
 * Keeps the orders.
 */
@RestController
@RequestMapping("/orders")
public class Orders<T extends Order> extends Base implements Store<T> {
    private final Repository repository;
    private final Function<String, T> finder = id -> repository.find(id);
    static final Runnable TASK = () -> {
        System.out.println("task");
    };

    static {
        System.out.println("loaded");
    }

    /** Makes one. */
    public Orders(Repository repository) {
        this.repository = repository;
    }

    // Finds one.
    @Override
    @GetMapping("/{id}")
    public <R> T find(@PathVariable String id, R other) throws NotFound {
        Function<T, T> step = t -> t;
        return step.apply(repository.find(id));
    }

    public T find(String id) { return null; }

    abstract static class Inner {
        abstract void run();

        private int count(int... n) {
            return n.length;
        }
    }

    interface Listener {
        void changed(Order order);

        default void closed() {}
    }

    enum State {
        OPEN {
            @Override
            String label() { return "open"; }
        },
        DONE;

        String label() { return "done"; }
    }

    record Line(String sku, int count) {
        Line {
            if (count < 0) throw new IllegalArgumentException();
        }

        int total() { return count; }
    }

    @interface Marked {
        String value() default "";
    }

    void anonymous() {
        new Thread(new Runnable() {
            @Override
            public void run() { }
        }).start();
    }
}
