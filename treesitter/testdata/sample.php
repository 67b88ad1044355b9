<?php

namespace App\Shop;

use Psr\Log\LoggerInterface;

/**
 * Adds.
 */
function add(int $a, int $b): int
{
    return $a + $b;
}

$double = function ($x) use ($factor) {
    return $x * 2;
};

$triple = fn($x) => $x * 3;

#[Attribute]
final class Cart extends Base implements Store
{
    use Countable;

    private array $items = [];

    public function __construct(private LoggerInterface $logger)
    {
    }

    #[Route('/items/{id}', methods: ['GET'])]
    public function find(string $id): ?Item
    {
        $step = function () { return 1; };
        return null;
    }

    public static function create(): static { return new static(); }

    abstract protected function run(): void;
}

interface Store
{
    public function find(string $id): ?Item;
}

trait Countable
{
    public function count(): int { return 0; }
}

enum State: string
{
    case Open = 'open';

    public function label(): string { return 'x'; }
}

$anonymous = new class {
    public function go() {}
};

if (!function_exists('helper')) {
    function helper() { return 1; }
}

return [
    'handler' => function ($request) { return $request; },
    'arrow' => fn($x) => $x,
];
