#include "lib/os/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/os/paths.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* By way of the descriptor, so that what was looked at is what is loaded, whatever the name stands for by then. A debugger looks for
 * the module under the same name: so it is not "self", and a number that nothing else is likely to get later. */
static void *load(int fd) {
    char self[16] = "", path[64];
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 1000);
    if (readlink("/proc/self", self, sizeof self - 1) < 0)
        self[0] = '\0';
    snprintf(path, sizeof path, "/proc/%s/fd/%d", self, high >= 0 ? high : fd);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (high >= 0)
        close(high);
    close(fd);
    return handle;
}

/* Nobody can write it who could not have written the program. */
static bool is_trusted(const struct stat *file) {
    struct stat program;
    return S_ISREG(file->st_mode) && (file->st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
           (file->st_uid == 0 || (stat("/proc/self/exe", &program) == 0 && file->st_uid == program.st_uid));
}

/* It is whole as well: one that was cut, and found out when it is touched, would end the process. Of what is compared,
 * stripping changes the ELF header alone. */
static bool is_same(int fd, const struct module *module) {
    const size_t skip = sizeof(ElfW(Ehdr));
    uint8_t head[MODULE_HEAD];
    struct stat st;
    return fstat(fd, &st) == 0 && is_trusted(&st) && (uint64_t)st.st_size >= module->size &&
           pread(fd, head, sizeof head, 0) == sizeof head &&
           memcmp(head + skip, (const uint8_t *)module->copy + skip, sizeof head - skip) == 0;
}

static void *load_place(const struct module *module, const char *folder, const char *place) {
    char path[PATHS_SIZE];
    int length = snprintf(path, sizeof path, "%s%s", place[0] == '/' ? "" : folder, place);
    if (length < 0 || (size_t)length >= sizeof path)
        return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || is_same(fd, module))
        return fd < 0 ? NULL : load(fd);
    close(fd);
    return NULL;
}

static void *load_file(const struct module *module) {
    char folder[PATHS_SIZE];
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (n < 0)
        return NULL;
    folder[n] = '\0';
    strrchr(folder, '/')[1] = '\0';
    void *handle = NULL;
    for (const char *const *place = module->places; handle == NULL && *place != NULL; place++)
        handle = load_place(module, folder, *place);
    return handle;
}

/* It will be mapped and never executed as a program, which the strictest kernel lets everybody do; an older one does not
 * know the flag. */
static int memory_file(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int copy(const struct module *module) {
    int fd = memory_file(module->name);
    for (size_t done = 0; fd >= 0 && done < module->size;) {
        ssize_t n = write(fd, (const uint8_t *)module->copy + done, module->size - done);
        if (n < 0 && errno != EINTR) {
            int e = -errno;
            close(fd);
            return e;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return fd;
}

/* Maps all of its code in one step, where the kernel can (Linux 5.14): piece by piece, as it is used, each piece costs a page
 * fault, and those are dear in a virtual machine. */
static void map_code(void *handle) {
    struct link_map *map;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
        return;
    const ElfW(Ehdr) *head = (const void *)map->l_addr;
    const ElfW(Phdr) *part = (const void *)(map->l_addr + head->e_phoff);
    for (int i = 0; i < head->e_phnum; i++) {
        size_t before = part[i].p_vaddr % (size_t)getpagesize();
        if (part[i].p_type == PT_LOAD && part[i].p_flags & PF_X)
            madvise((void *)(map->l_addr + part[i].p_vaddr - before), before + part[i].p_memsz, MADV_POPULATE_READ);
    }
}

static void *load_copy(const struct module *module, struct ll_error_info *info) {
    char why[sizeof info->subject];
    int fd = copy(module);
    if (fd < 0) {
        error_at(info, fd, "load into memory", module->name);
        return NULL;
    }
    void *handle = load(fd);
    if (handle != NULL)
        return handle;
    if (access("/proc/self/fd", F_OK) < 0)
        snprintf(why, sizeof why, "%s: /proc must be mounted", module->name);
    else
        snprintf(why, sizeof why, "%s: memory must be executable here, or that file beside the program", module->name);
    error_at(info, LL_ENOTSUP, "load", why);
    return NULL;
}

const void *module_load(const struct module *module, struct ll_error_info *info) {
    void *handle = load_file(module);
    if (handle == NULL)
        handle = load_copy(module, info);
    if (handle != NULL)
        map_code(handle);
    const void *symbol = handle != NULL ? dlsym(handle, module->symbol) : NULL;
    if (handle != NULL && symbol == NULL)
        error_at(info, LL_ENOTSUP, "find", module->symbol);
    return symbol;
}
