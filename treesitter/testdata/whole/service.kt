@file:JvmName("Hard")
package shop

import kotlinx.coroutines.*

/** An order. */
data class Order(val id: Long, val items: List<String> = emptyList()) {
    val total: Int
        get() = items.size
    constructor(id: Long, item: String) : this(id, listOf(item)) { println(id) }
    companion object {
        @JvmStatic
        fun of(id: Long) = Order(id)
    }
    operator fun plus(other: Order): Order = this
    inner class Line { fun price(): Int = 1 }
}

sealed interface Result<out T> {
    data class Ok<T>(val value: T) : Result<T>
    object Gone : Result<Nothing> { fun why() = "gone" }
}

enum class State(val code: Int) {
    OPEN(1) { override fun next() = CLOSED },
    CLOSED(2) { override fun next() = OPEN };
    abstract fun next(): State
}

fun interface Handler { fun handle(x: Int): Int }

@GetMapping("/x")
suspend fun <T : Any> load(id: Long, block: suspend (T) -> Unit = {}): T? {
    fun inner(n: Int): Int = n
    val square = { n: Int -> n * n }
    val anon = fun(n: Int): Int { return n }
    return null
}

fun String.größe(): Int = length
fun <T> List<T>.second(): T = this[1]
fun String?.orNone(): String = this ?: "none"
infix fun Int.times2(x: Int) = this * x

object Registry {
    val handlers = mutableMapOf<String, Handler>()
    private tailrec fun find(n: Int): Int = if (n == 0) 0 else find(n - 1)
}

typealias Callback = (Int) -> Unit
val lambda: (Int) -> Int = { it + 1 }
val computed: Int get() { return 1 }
abstract class Base { abstract fun run(); protected open fun stop() {} }
