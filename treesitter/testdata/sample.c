#include <stdio.h>

/* Adds. */
int add(int a, int b)
{
	return a + b;
}

static inline void nothing(void) {}

char *name(const struct point *p) {
	return "x";
}

int (*pick(int n))(int, int) {
	return add;
}

struct point {
	int x, y;
};

union bits { int i; float f; };

enum color { RED, GREEN };

typedef struct {
	int width;
} box;

typedef struct node {
	struct node *next;
} node_t;

typedef int (*handler)(int);

int prototype(int a);

#define SQUARE(x) ((x) * (x))

#ifdef WIN32
int where(void) { return 1; }
#else
int where(void) { return 2; }
#endif

__attribute__((noinline)) static int attributed(int x) { return x; }

unsigned long long **many(void) { return 0; }

old(a, b)
	int a, b;
{
	return a;
}
