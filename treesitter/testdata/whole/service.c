#include <stdio.h>
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define LOG(...) \
	do { \
		printf(__VA_ARGS__); \
	} while (0)

/* A point. */
typedef struct point { int x, y; } point_t;
typedef struct { int n; } anon_t;
struct list { struct list *next; };
union u { int i; float f; };
enum state { OPEN, CLOSED };
typedef enum { A, B } ab_t;

static int declared(int x);

// Adds.
static inline int add(int a, int b) { return a + b; }

int *(*get_handler(int kind))(int)
{
	return 0;
}

__attribute__((noreturn)) void die(const char *fmt, ...) { for (;;); }

void
bsd_style(int a,
	char **argv)
{
	struct local { int q; } l;
	(void)l;
}

int old_style(a, b)
	int a;
	char *b;
{
	return a;
}

#ifdef WIN32
int twice(void) { return 1; }
#else
int twice(void) { return 2; }
#endif

SYSCALL_DEFINE3(read, unsigned int, fd, char __user *, buf, size_t, count)
{
	return 0;
}

static const struct ops table = { .run = add };

int main(int argc, char *argv[]) { return MAX(1, 2); }
