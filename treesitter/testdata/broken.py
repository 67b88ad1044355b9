def good():
    return 1


def bad(:
    return (


def after(x):
    return x
