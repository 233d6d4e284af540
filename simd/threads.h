/* A team of threads: thread 0 walks the program, the others help where there is enough to share. */
#pragma once
#include "loom.h"

/* Called after a kernel by thread 0; returns when no other thread works on it any more. */
void close_kernel(Team *t);
/* One instruction on this thread (program.c). */
void dispatch(const Word *w, Team *t);
