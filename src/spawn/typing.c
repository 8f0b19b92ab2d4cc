/*
 * TIOCSTI puts bytes into one's own terminal as if they had been typed: with it an agent
 * would answer its own dialogs. Many kernels still allow it (dev.tty.legacy_tiocsti), and
 * a container can't change that, so a seccomp filter refuses it. Other ioctls of the
 * terminal stay. The kernel's interface is written out, because musl has no <linux/...>.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "log.h"
#include "spawn.h"

/* include/uapi/linux/filter.h, bpf_common.h */
struct instruction {
	uint16_t code;
	uint8_t if_true, if_false; /* how many to skip */
	uint32_t k;
};
struct program {
	unsigned short len;
	const struct instruction *code;
};
#define LOAD(offset) {0x20, 0, 0, (offset)} /* BPF_LD | BPF_W | BPF_ABS */
#define EQUAL(k, if_true, if_false)                                                      \
	{0x15, (if_true), (if_false), (k)} /* BPF_JMP | BPF_JEQ | BPF_K */
#define BITS(k, if_true, if_false)                                                       \
	{0x45, (if_true), (if_false), (k)} /* BPF_JMP | BPF_JSET | BPF_K */
#define RETURN(k) {0x06, 0, 0, (k)}        /* BPF_RET | BPF_K */

/* include/uapi/linux/seccomp.h, audit.h; struct seccomp_data */
#define MODE_FILTER 2
#define RET_ALLOW   0x7fff0000u
#define RET_ERRNO   0x00050000u
#define ARCH_64BIT  0x80000000u
#define SECOND_ARG  24 /* 64 bits, of which ioctl(2) takes the lower half */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LOW_HALF 4
#else
#define LOW_HALF 0
#endif
enum { DATA_NR = 0, DATA_ARCH = 4 };

/* ioctl has this number in every 32-bit ABI of a 64-bit kernel, and that in x32. */
enum { IOCTL_32 = 54, IOCTL_X32 = 0x40000000 | 514 };

void
typing_forbid(void)
{
	static const struct instruction code[] = {
	    /* 0 */ LOAD(SECOND_ARG + LOW_HALF),
	    /* 1 */ EQUAL(TIOCSTI, 0, 7),
	    /* 2 */ LOAD(DATA_ARCH),
	    /* 3 */ BITS(ARCH_64BIT, 0, 3),
	    /* 4 */ LOAD(DATA_NR),
	    /* 5 */ EQUAL(SYS_ioctl, 4, 0),
	    /* 6 */ EQUAL(IOCTL_X32, 3, 2),
	    /* 7 */ LOAD(DATA_NR),
	    /* 8 */ EQUAL(IOCTL_32, 1, 0),
	    /* 9 */ RETURN(RET_ALLOW),
	    /* 10 */ RETURN(RET_ERRNO | EPERM),
	};
	static const struct program program = {
	    .len = sizeof(code) / sizeof(code[0]), .code = code};

	if (prctl(PR_SET_SECCOMP, MODE_FILTER, &program) == -1)
		log_debug("this kernel has no seccomp filters");
}
