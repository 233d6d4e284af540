/* The team: thread 0 is the caller of `run`; the others wait in `serve`.
 *
 * Thread 0 walks the program alone. When a kernel has more than one piece of work, its first `take` opens it: the others
 * enter, take pieces, and leave. Each thread owns a stretch of neighbouring pieces, so that memory is read as one stream,
 * which processors fetch ahead; whoever has done his own helps with the others'. After the kernel thread 0 closes it and
 * waits only for those that are inside, so a thread that sleeps, or is not scheduled, delays no other, and a small kernel
 * costs nothing.
 *
 * `opened` counts openings and closings: odd is open. A helper announces itself in `inside` and then checks again whether
 * the kernel is still open; thread 0 closes it and then checks whether any helper is inside. One of the two sees the other.
 * A helper without work spins for a while, since the next kernel usually opens within microseconds, and then sleeps.
 */
#include "threads.h"

#define SPINS 16000 /* about 40 µs: longer than what thread 0 does alone between two kernels; waking takes 30 µs */

static u8 scratch[SCRATCH_BYTES] __attribute__((aligned(16)));

#ifdef __wasm_atomics__
/* Each on a cache line of its own. */
static struct {
    u32 opened;
    u32 space0[31];
    u32 inside;
    u32 space1[31];
    struct {
        u32 next, space[31];
    } stretches[MAX_THREADS];
    u32 sleepers, quitting;
    const Word *kernel;
    u32 step, count;
} shared __attribute__((aligned(128)));

static inline u32 load(u32 *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline u32 add(u32 *p, u32 n) { return __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST); }

/* Counting the sleepers before checking again means that no wake-up is lost. */
static void wait_while(u32 old) {
    for (u32 spins = 0; load(&shared.opened) == old; spins++) {
        if (spins < SPINS) continue;
        add(&shared.sleepers, 1);
        if (load(&shared.opened) == old) __builtin_wasm_memory_atomic_wait32((i32 *)&shared.opened, (i32)old, -1);
        add(&shared.sleepers, -1u);
    }
}
static void turn(void) {
    add(&shared.opened, 1);
    if (load(&shared.sleepers)) __builtin_wasm_memory_atomic_notify((i32 *)&shared.opened, -1);
}

/* The first piece of a thread's stretch. */
static u32 stretch_start(u32 thread, u32 count, u32 total) { return (u32)((u64)total * thread / count); }

u32 claim(Team *t, u32 total) {
    if (!t->index && !t->open) {
        shared.kernel = t->kernel;
        shared.step = t->step;
        shared.count = t->count;
        for (u32 i = 0; i < t->count; i++) shared.stretches[i].next = stretch_start(i, t->count, total);
        t->open = 1;
        turn();
    }
    for (; t->done < t->count; t->done++) {
        u32 owner = (t->index + t->done) % t->count, end = stretch_start(owner + 1, t->count, total);
        if (load(&shared.stretches[owner].next) >= end) continue;
        u32 piece = add(&shared.stretches[owner].next, 1);
        if (piece < end) return piece;
    }
    return total;
}
void close_kernel(Team *t) {
    if (!t->open) return;
    t->open = 0;
    add(&shared.opened, 1); /* sleepers may sleep on */
    while (load(&shared.inside)) {}
}

/* A helper, until `quit`. `memory` is its scratch. */
__attribute__((export_name("serve"))) void serve(u32 index, u8 *memory) {
    Team t = {.index = index, .scratch = memory};
    u32 seen = 0;
    while (!load(&shared.quitting)) {
        wait_while(seen);
        seen = load(&shared.opened);
        if (!(seen & 1)) continue;
        add(&shared.inside, 1);
        if (load(&shared.opened) == seen && index < shared.count) {
            t.count = shared.count;
            t.step = shared.step;
            t.done = 0;
            dispatch(shared.kernel, &t);
        }
        add(&shared.inside, -1u);
    }
}
__attribute__((export_name("quit"))) void quit(void) {
    add(&shared.quitting, 1);
    add(&shared.opened, 2); /* still closed, but not what the sleepers wait on */
    __builtin_wasm_memory_atomic_notify((i32 *)&shared.opened, -1);
}
#else
u32 claim(Team *t, u32 total) {
    (void)t, (void)total;
    return 0;
}
void close_kernel(Team *t) { (void)t; }
#endif

/* Replay `code` `steps` times with up to `count` threads; returns when all is done. Before each replay its row of
 * `dynamics` (steps, slot_count) goes into the slots; 0 leaves them as they are. */
__attribute__((export_name("run"))) void run(const Word *code, u32 words, u32 steps, f64 *slots, u32 slot_count,
                                             const f64 *dynamics, u32 count) {
    Team t = {.count = count, .scratch = scratch};
    const Word *end = code + words;
    for (; t.step < steps && !t.stopped; t.step++) {
        if (dynamics) memcpy(slots, dynamics + (size_t)t.step * slot_count, slot_count * sizeof(f64));
        for (const Word *w = code; w < end && !t.stopped; w += w[1].u) {
            t.kernel = w;
            t.done = 0;
            dispatch(w, &t);
            close_kernel(&t);
        }
    }
}
