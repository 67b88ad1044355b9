#include <vector>

namespace shop {

// Adds.
int add(int a, int b) { return a + b; }

/// A cart.
template <typename T>
class Cart : public Base {
public:
    explicit Cart(int n) : n_(n) {}
    ~Cart() {}
    virtual int total() const override { return n_; }
    void declared(int x);
    static Cart *create();
    T &operator[](int i) { return items_[i]; }
    bool operator==(const Cart &other) const { return true; }
    operator bool() const { return true; }
    T operator()(T x) { return x; }
    Cart(const Cart &) = delete;
    template <typename U> U convert() { return U(); }
    struct Inner {
        void go() {}
    };
private:
    int n_;
};

template <typename T>
void Cart<T>::declared(int x) {
    auto step = [this](int y) { return y + n_; };
    step(x);
}

template <typename T>
Cart<T> *Cart<T>::create() { return nullptr; }

template <>
int special<int>(int x) { return x; }

struct Point { int x; int sum() { return x; } };

enum class State { Open, Done };

using Alias = Cart<int>;

namespace deep {
auto trailing(int x) -> int { return x; }
}

}  // namespace shop

namespace a::b {
void inside() {}
}

int shop::Point2::far(int x) { return x; }

bool operator<(const shop::Point &a, const shop::Point &b) { return a.x < b.x; }

[[nodiscard]] int attributed() { return 1; }

auto handler = [](int x) { return x; };

const auto typed = [](int x) -> int { return x; };

extern "C" {
void c_linkage(void) {}
}

extern "C" int single(int x) { return x; }

std::vector<int> values() { return {}; }

int &reference(int &x) { return x; }

union U { int i; };

namespace {
void hidden() {}
}
