/* same_random: a library for LD_PRELOAD whose getrandom(2) is no such thing, so that hash tables lie the same way in every run. */
#include <string.h>
#include <sys/random.h>

ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
	memset(bytes, 0x5a, size);
	return (ssize_t)size;
}
