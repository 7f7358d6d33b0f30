/* A power cut, for files below one folder: only what was flushed survives.
 *
 * Preloaded, it keeps an image of each file as it was when it was last flushed.  When the
 * process has been killed, whoever plays the cut puts the images in the files' place.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void keep(int fd)
{
    const char *folder = getenv("CUT_FOLDER"), *image = getenv("CUT_IMAGE");
    char link[64], path[4096], beside[8300], kept[8300], octets[65536];
    if (!folder || !image || getenv("CUT_DEAF"))
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t head = strlen(folder);
    if (length < 0)
        return;
    path[length] = 0;
    if (strncmp(path, folder, head) || path[head] != '/' || strchr(path + head + 1, '/'))
        return;
    snprintf(beside, sizeof beside, "%s/.%s", image, path + head + 1);
    snprintf(kept, sizeof kept, "%s/%s", image, path + head + 1);
    int copy = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (copy < 0)
        abort();
    /* Through the same descriptor: opening the file and closing it again would give up
     * the locks that SQLite holds on it. */
    ssize_t got;
    for (off_t at = 0; (got = pread(fd, octets, sizeof octets, at)) > 0; at += got)
        if (write(copy, octets, got) != got)
            abort();
    close(copy);
    if (got < 0 || rename(beside, kept)) /* a folder, say */
        unlink(beside);
}

int fsync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int done = real(fd);
    if (done == 0)
        keep(fd);
    return done;
}

int fdatasync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int done = real(fd);
    if (done == 0)
        keep(fd);
    return done;
}
