<?php
declare(strict_types=1);

namespace Shop\Orders;

use Foo\Bar;

/**
 * Orders.
 */
#[Route('/orders')]
final class OrderController extends Base implements \Countable
{
    use Loggable;

    public function __construct(private readonly Repo $repo, protected ?string $name = null) {}

    #[Get('/{id}')]
    #[Auth]
    public static function find(int|string $id, string ...$rest): ?static
    {
        $double = fn (int $n): int => $n * 2;
        $log = function (string $m) use ($id): void {
            echo $m;
        };
        function nested() { return 1; }
        return null;
    }

    abstract protected function later(): void;

    public function &größe(): int { return $this->n; }
}

interface Repo { public function load(int $id): array; }
trait Loggable { private function log(string $m): void { echo $m; } }
enum Suit: string {
    case Hearts = 'H';
    public function label(): string { return 'x'; }
}

abstract class Model { abstract public function save(); }

function helper(array $a = [], callable $f = null) { return $a; }

if (!function_exists('maybe')) {
    function maybe() { return true; }
}

$handlers = ['a' => function () { return 1; }, 'b' => fn() => 2];
$anon = new class { public function run() {} };
?>
<html><?php function inHtml() { ?> <b>x</b> <?php } ?></html>
