package shop;

@RestController
@RequestMapping("/orders")
public class OrderController {
    @GetMapping("/{id}")
    public Order byKey(@PathVariable long id) {
        return orders.find(id);
    }

    @PostMapping
    public Order place(@RequestBody Order order) {
        return orders.save(order);
    }
}
