/* The team: thread 0 is whoever calls `run`, the others wait in `serve`.
 *
 * A waiting thread spins for a while, since the next kernel usually begins within a microsecond, and then sleeps.
 * Thread 0 may be a page's main thread, which must not sleep: it always spins. `claim` counters are used in turn, so
 * that the one of the next kernel is clean before any thread can reach it.
 */
#include "threads.h"

#define MAX_THREADS 16
#define SPINS 4000

static u8 scratch[SCRATCH_BYTES] __attribute__((aligned(16)));

#ifdef __wasm_atomics__
#define COUNTERS 4
static u32 counters[COUNTERS][32]; /* one to a cache line and more */
static u32 arrived, phase, sleepers;
static u32 generation; /* (number of jobs so far) · 256 + threads of the newest; 255 threads mean: quit */
static Job job;

static inline u32 load(u32 *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline void store(u32 *p, u32 v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }

/* Until *p differs from `old`. Counting the sleepers before looking again means that no wake-up is lost. */
static void wait_while(u32 *p, u32 old, int may_sleep) {
    for (u32 spins = 0; load(p) == old; spins++) {
        if (!may_sleep || spins < SPINS) continue;
        __atomic_fetch_add(&sleepers, 1, __ATOMIC_SEQ_CST);
        if (load(p) == old) __builtin_wasm_memory_atomic_wait32((i32 *)p, (i32)old, -1);
        __atomic_fetch_sub(&sleepers, 1, __ATOMIC_SEQ_CST);
    }
}
static void change(u32 *p, u32 value) {
    store(p, value);
    if (load(&sleepers)) __builtin_wasm_memory_atomic_notify((i32 *)p, MAX_THREADS);
}

void wait_for_others(Team *t) {
    u32 now = load(&phase);
    t->turns++;
    if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == t->count) {
        store(&arrived, 0);
        counters[(t->turns + 1) % COUNTERS][0] = 0;
        change(&phase, now + 1);
    } else {
        wait_while(&phase, now, t->index != 0);
    }
}

u32 claim(Team *t) { return __atomic_fetch_add(&counters[t->turns % COUNTERS][0], 1, __ATOMIC_SEQ_CST); }

/* A pool thread: works on every job that has room for it, until `quit`. `memory` is its scratch. */
__attribute__((export_name("serve"))) void serve(u32 index, u8 *memory) {
    Team t = {.index = index, .scratch = memory};
    u32 seen = 0;
    for (;;) {
        wait_while(&generation, seen, 1);
        seen = load(&generation);
        t.count = seen & 255;
        t.turns = 0;
        if (t.count == 255) return;
        if (index >= t.count) continue;
        Job mine = job; /* thread 0 writes the next one after this thread has passed the last barrier */
        wait_for_others(&t);
        run_job(&mine, &t);
    }
}
__attribute__((export_name("quit"))) void quit(void) { change(&generation, (load(&generation) | 255) + 256); }
#else
u32 claim(Team *t) {
    (void)t;
    return 0;
}
#endif

/* Replay `code` `steps` times with `count` threads (of which count − 1 must be serving). Returns when all is done. */
__attribute__((export_name("run"))) void run(const Word *code, u32 words, u32 steps, f64 *slots, u32 slot_count,
                                             const f64 *dynamics, u32 count) {
    Job mine = {.code = code, .end = code + words, .dynamics = dynamics, .slots = slots, .slot_count = slot_count,
                .steps = steps, .count = count};
    Team t = {.index = 0, .count = count, .scratch = scratch};
#ifdef __wasm_atomics__
    if (count > 1) {
        job = mine;
        for (u32 i = 0; i < COUNTERS; i++) counters[i][0] = 0;
        change(&generation, (load(&generation) & ~255u) + 256 + count);
        wait_for_others(&t);
    }
#endif
    run_job(&mine, &t);
}
