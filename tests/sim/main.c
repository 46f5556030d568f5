/* The simulator: sim [--seeds N] [--seed S] [--cuts [--every N] | --mutations] [--verbose]
 *
 * Runs N worlds with the seeds S, S + 1, …; without --seed from a seed that it prints. With --cuts it cuts whole sessions at
 * every byte instead (or at every Nth, from one that the seed chooses). With --mutations it breaks one rule of the simulated
 * machines after another, and each must be found within N seeds. Ends with 1 at the first world in which something went wrong,
 * and prints what shows it again. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv) {
    unsigned long long seeds = 1000, seed = (unsigned long long)time(NULL) * 1000003, every = 1;
    bool verbose = false, cuts = false, mutations = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--cuts") == 0)
            cuts = true;
        else if (strcmp(argv[i], "--mutations") == 0)
            mutations = true;
        else if (strcmp(argv[i], "--every") == 0 && i + 1 < argc)
            every = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
            seeds = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else
            return 2;
    }
    if (cuts) {
        printf("seed %llu\n", seed);
        return sweep_all(seed, every > 0 ? (unsigned)every : 1) ? 0 : 1;
    }
    printf("seeds %llu to %llu\n", seed, seed + seeds - 1);
    fflush(stdout);
    if (mutations)
        return mutate_all(seed, seeds) ? 0 : 1;
    const struct world_options options = {.verbose = verbose};
    for (unsigned long long i = 0; i < seeds; i++) {
        if (!world_simulate(seed + i, &options, NULL))
            return 1;
        if ((i + 1) % 100000 == 0 || i + 1 == seeds)
            printf("%llu worlds, and all held\n", i + 1);
        fflush(stdout);
    }
    return 0;
}
