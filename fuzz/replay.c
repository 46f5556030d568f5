/* Runs a fuzz target once over every file named, or found in a folder named: the kept inputs as an ordinary test, with
 * any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 1 << 20 };

static int replay(const char *path) {
    static uint8_t bytes[LARGEST];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 0;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    uint8_t *copy = malloc(size == 0 ? 1 : size); /* of exactly this size, so that a read past the end is seen */
    if (copy == NULL)
        return 0;
    for (size_t i = 0; i < size; i++)
        copy[i] = bytes[i];
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 1;
}

static int replay_folder(const char *folder) {
    int count = 0;
    DIR *list = opendir(folder);
    if (list == NULL)
        return replay(folder);
    for (const struct dirent *e; (e = readdir(list)) != NULL;) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        count += replay(path);
    }
    closedir(list);
    return count;
}

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += replay_folder(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
