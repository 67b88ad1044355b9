package shop;

@RestController
@RequestMapping(value = {"/api/items", "/items"}, produces = "application/json")
public class Items {
    static final String SEARCH = "/search";

    @GetMapping("/{id:[0-9]+}")
    public Item find(@PathVariable long id) { return null; }

    @GetMapping
    public List<Item> list() { return null; }

    @RequestMapping(path = SEARCH + "/all", method = {RequestMethod.GET, RequestMethod.POST})
    public List<Item> search() { return null; }

    @RequestMapping("/any/**")
    public void any() {}

    @Override
    @DeleteMapping(value = "/{id}")
    public void delete(long id) {}

    @PostMapping(Unknown.PATH)
    public void unknown() {}

    void plain() {}
}

@FeignClient(name = "prices")
interface Prices {
    @GetMapping("/prices/{sku}")
    Price price(String sku);
}

@Controller
class Pages {
    @GetMapping({"/home", "/index"})
    String home() { return "home"; }
}

@RestController
@RequestMapping("${shop.prefix:/shop}")
class Configured {
    @GetMapping("${shop.path}/stock/{sku:[a-z]+}")
    String stock(String sku) { return sku; }
}
