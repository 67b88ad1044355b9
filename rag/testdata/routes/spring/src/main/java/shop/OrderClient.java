package shop;

public class OrderClient {
    /** Calls GET /orders/{id} of another service. */
    public Order getOrders(long id) {
        return rest.get("/orders/" + id);
    }
}
