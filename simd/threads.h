/* A team of threads: thread 0 walks the program, the others help where there is enough to share. */
#pragma once
#include "loom.h"

/* After a kernel of thread 0: nobody else is at work on it any more. */
void close_kernel(Team *t);
/* One instruction on this thread (program.c). */
void dispatch(const Word *w, Team *t);
