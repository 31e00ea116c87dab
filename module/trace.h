/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: who did what to which secret, never what is in it. One that is
 * off costs a branch that is patched out.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM secmem

#if !defined(_SECMEM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _SECMEM_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(secmem_secret,
	TP_PROTO(unsigned long vault, u64 handle),
	TP_ARGS(vault, handle),
	TP_STRUCT__entry(
		__field(unsigned long, vault)
		__field(u64, handle)
	),
	TP_fast_assign(
		__entry->vault = vault;
		__entry->handle = handle;
	),
	TP_printk("vault=%lu handle=%llu", __entry->vault, __entry->handle)
);

/* A call begins to wait; once for each time that it does. */
DEFINE_EVENT(secmem_secret, secmem_wait,
	TP_PROTO(unsigned long vault, u64 handle),
	TP_ARGS(vault, handle)
);

/* An end without waiting: REVOKE, or nobody is left who keeps it. */
DEFINE_EVENT(secmem_secret, secmem_revoke,
	TP_PROTO(unsigned long vault, u64 handle),
	TP_ARGS(vault, handle)
);

DECLARE_EVENT_CLASS(secmem_result,
	TP_PROTO(unsigned long vault, u64 handle, int result),
	TP_ARGS(vault, handle, result),
	TP_STRUCT__entry(
		__field(unsigned long, vault)
		__field(u64, handle)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->vault = vault;
		__entry->handle = handle;
		__entry->result = result;
	),
	TP_printk("vault=%lu handle=%llu result=%d", __entry->vault,
		  __entry->handle, __entry->result)
);

DEFINE_EVENT(secmem_result, secmem_release,
	TP_PROTO(unsigned long vault, u64 handle, int result),
	TP_ARGS(vault, handle, result)
);

DEFINE_EVENT(secmem_result, secmem_close,
	TP_PROTO(unsigned long vault, u64 handle, int result),
	TP_ARGS(vault, handle, result)
);

TRACE_EVENT(secmem_create,
	TP_PROTO(unsigned long vault, u64 handle, u32 length, u32 flags),
	TP_ARGS(vault, handle, length, flags),
	TP_STRUCT__entry(
		__field(unsigned long, vault)
		__field(u64, handle)
		__field(u32, length)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->vault = vault;
		__entry->handle = handle;
		__entry->length = length;
		__entry->flags = flags;
	),
	TP_printk("vault=%lu handle=%llu length=%u flags=%#x", __entry->vault,
		  __entry->handle, __entry->length, __entry->flags)
);

DECLARE_EVENT_CLASS(secmem_mode,
	TP_PROTO(unsigned long vault, u64 handle, bool write, int result),
	TP_ARGS(vault, handle, write, result),
	TP_STRUCT__entry(
		__field(unsigned long, vault)
		__field(u64, handle)
		__field(bool, write)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->vault = vault;
		__entry->handle = handle;
		__entry->write = write;
		__entry->result = result;
	),
	TP_printk("vault=%lu handle=%llu mode=%s result=%d", __entry->vault,
		  __entry->handle, __entry->write ? "write" : "read",
		  __entry->result)
);

DEFINE_EVENT(secmem_mode, secmem_acquire,
	TP_PROTO(unsigned long vault, u64 handle, bool write, int result),
	TP_ARGS(vault, handle, write, result)
);

/* To that mode. */
DEFINE_EVENT(secmem_mode, secmem_switch,
	TP_PROTO(unsigned long vault, u64 handle, bool write, int result),
	TP_ARGS(vault, handle, write, result)
);

/* No access is left; the bytes are wiped next. */
TRACE_EVENT(secmem_wipe,
	TP_PROTO(unsigned long vault, u64 handle, unsigned int pages),
	TP_ARGS(vault, handle, pages),
	TP_STRUCT__entry(
		__field(unsigned long, vault)
		__field(u64, handle)
		__field(unsigned int, pages)
	),
	TP_fast_assign(
		__entry->vault = vault;
		__entry->handle = handle;
		__entry->pages = pages;
	),
	TP_printk("vault=%lu handle=%llu pages=%u", __entry->vault,
		  __entry->handle, __entry->pages)
);

TRACE_EVENT(secmem_violation,
	TP_PROTO(unsigned long vault, pid_t pid, unsigned long address,
		 bool write, bool closed),
	TP_ARGS(vault, pid, address, write, closed),
	TP_STRUCT__entry(
		__field(unsigned long, vault)
		__field(unsigned long, address)
		__field(pid_t, pid)
		__field(bool, write)
		__field(bool, closed)
	),
	TP_fast_assign(
		__entry->vault = vault;
		__entry->address = address;
		__entry->pid = pid;
		__entry->write = write;
		__entry->closed = closed;
	),
	TP_printk("vault=%lu pid=%d address=0x%lx touch=%s secret=%s",
		  __entry->vault, __entry->pid, __entry->address,
		  __entry->write ? "write" : "read",
		  __entry->closed ? "closed" : "shut")
);

#endif /* _SECMEM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
