package shop

import java.util.UUID

/** Adds. */
fun add(a: Int, b: Int): Int {
    return a + b
}

fun short(x: Int) = x * 2

@Composable
suspend fun <T> List<T>.second(): T = this[1]

val double = { x: Int -> x * 2 }

val anonymous = fun(x: Int): Int { return x }

var lazyOne: String by lazy { "x" }

/**
 * Keeps things.
 */
@RestController
open class Store<T>(private val db: Db) : Base(), Closeable {
    val size: Int
        get() = items.size

    var name: String = ""
        set(value) { field = value }

    init {
        println("init")
    }

    constructor(url: String) : this(Db(url)) {
        println(url)
    }

    @GetMapping("/{id}")
    override fun find(id: String): T? {
        fun nested() = 1
        val step = { n: Int -> n + nested() }
        return null
    }

    private inline fun <reified R> map(block: (T) -> R): List<R> = items.map(block)

    companion object {
        const val MAX = 10
        fun create(): Store<Any> = Store("x")
    }

    inner class Cursor {
        fun next() = 1
    }
}

data class Item(val sku: String, val count: Int)

interface Listener {
    fun changed(item: Item)
    fun closed() {}
}

fun interface Single { fun run() }

object Registry {
    fun register(x: Any) {}
}

enum class State {
    OPEN { override fun label() = "open" },
    DONE;

    open fun label() = "done"
}

sealed class Result {
    object None : Result()
}

typealias Handler = (String) -> Unit

infix fun Int.plus2(other: Int) = this + other

operator fun Item.plus(other: Item) = this
