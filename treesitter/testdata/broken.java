class Broken {
    int good() { return 1; }

    int bad( { return; }

    int after(int x) {
        return x;
    }
}
