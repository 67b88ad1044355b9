#include <vector>
namespace shop::orders {

/// A cart.
template <typename T, int N = 3>
class Cart : public Base<T>, private virtual Other {
public:
    explicit Cart(int n) : n_(n), Base<T>{n} {}
    Cart(const Cart&) = delete;
    Cart& operator=(Cart&& o) noexcept { return *this; }
    ~Cart() override = default;
    virtual int total() const = 0;
    [[nodiscard]] auto size() const -> std::size_t { return n_; }
    template <class U> U convert(U u) { return u; }
    friend std::ostream& operator<<(std::ostream& os, const Cart& c) { return os; }
    operator bool() const { return n_; }
    static constexpr int max() { return 1; }
    int operator()(int a, int b) { return a; }
    struct Line { int price() { return 1; } };
    enum class State { Open };
private:
    int n_;
};

template <typename T, int N>
void Cart<T, N>::clear() { n_ = 0; }

int Cart<int>::special() { return 2; }

inline namespace v1 { int versioned() { return 1; } }

namespace { int hidden() { return 1; } }
}

using Callback = std::function<void(int)>;
auto square = [](int n) { return n * n; };
int größe(const std::string& s) { auto inner = [&]() mutable -> int { return 1; }; return inner(); }
extern "C" { int c_api(void) { return 0; } }
int shop::orders::outside(int a) try { return a; } catch (...) { return 0; }
template <> int spec<int>() { return 1; }
std::vector<int> (*fp)(int);
int overloaded(int) { return 1; }
int overloaded(double) { return 2; }
TEST(Suite, Case) { EXPECT_EQ(1, 1); }
requires_clause_t x;
template <typename T> requires std::integral<T> T twice(T t) { return t * 2; }
co_return_t coro() { co_return; }
