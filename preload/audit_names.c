/* SPDX-License-Identifier: MIT */
/* audit_names.c - names of system calls */
#include "audit_parts.h"

#include "shim.h"

static const char *const names[] = {
#include "audit_calls.inc"
};

const char *call_name(long number)
{
	if (number == KEPT_BY_FAULT)
		return "a page fault";
	return number >= 0 && (size_t)number < ARRAY_LENGTH(names) ? names[number] : NULL;
}

bool call_is_of_files(long number)
{
	static const short numbers[] = {
		SYS_pread64, SYS_preadv, SYS_preadv2, SYS_pwrite64, SYS_pwritev, SYS_pwritev2, SYS_openat, SYS_newfstatat,
		SYS_fstat, SYS_statx, SYS_statfs, SYS_getdents64, SYS_unlinkat, SYS_mkdirat, SYS_renameat, SYS_renameat2,
		SYS_linkat, SYS_symlinkat, SYS_readlinkat, SYS_faccessat, SYS_fchmodat, SYS_fchownat, SYS_ftruncate,
		SYS_truncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_sync, SYS_syncfs, SYS_sync_file_range,
		SYS_copy_file_range, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_msync, SYS_brk,
#ifdef SYS_open
		SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_unlink, SYS_mkdir, SYS_rmdir, SYS_rename, SYS_link,
		SYS_symlink, SYS_readlink, SYS_creat,
#endif
	};

	for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
		if (numbers[i] == number)
			return true;
	}
	return number == KEPT_BY_FAULT;
}
