/* A team of threads that run the same program in step. */
#pragma once
#include "loom.h"

typedef struct {
    const Word *code, *end;
    const f64 *dynamics; /* (steps, slot_count), or 0 to leave the slots as they are */
    f64 *slots;
    u32 slot_count, steps, count;
} Job;

#ifdef __wasm_atomics__
void wait_for_others(Team *t);
#endif
/* All threads of the team have finished what comes before. */
static inline void barrier(Team *t) {
#ifdef __wasm_atomics__
    if (t->count > 1) {
        wait_for_others(t);
        return;
    }
#endif
    t->turns++;
}
void run_job(const Job *job, Team *t);
