/* Whether the history shows what is wrong: machines with one rule broken. */
#include "tests/sim/sim.h"

#include <stdio.h>

static const char *const texts[MUTATIONS] = {
#define MUTATION(name, text) text,
#include "tests/sim/mutations.def"
#undef MUTATION
};

bool mutated(const struct world *w, enum mutation mutation) {
    return w->mutation == mutation;
}

bool mutate_all(uint64_t seed, unsigned long long seeds) {
    bool all = true;
    for (int m = MUTATE_NOTHING + 1; m < MUTATIONS; m++) {
        const struct world_options options = {.mutation = (enum mutation)m, .quiet = true};
        unsigned long long n = 0;
        while (n < seeds && world_simulate(seed + n, &options, NULL))
            n++;
        printf("%s: %s", texts[m], n < seeds ? "found" : "NOT FOUND");
        printf(n < seeds ? " with seed %llu of them\n" : " with %llu seeds\n", n < seeds ? n + 1 : n);
        all = all && n < seeds;
    }
    return all;
}
