// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who keeps what alive. A grant of one secret keeps that secret. A grant of a whole
 * vault keeps what was published in the era ->since or later: the vault's first one
 * all of it, an exported one as much as its exporter, whether it is in use yet or
 * not. Once another mm takes one over, it keeps only what is published from then
 * on. What nobody keeps ends.
 */
#include <linux/sched.h>
#include <linux/wait_bit.h>

#include "end.h"
#include "errand.h"
#include "keep.h"
#include "wait.h"

/*
 * From now on the grant, which is of all, keeps what it sees of the vault. If it was
 * exported, it sees as much as the grant it came from; else all.
 */
void secmem_grant_keep(struct secmem_grant *grant, struct secmem_grant *from)
{
	struct secmem_vault *vault = grant->vault;

	spin_lock(&vault->keep_lock);
	if (from)
		grant->since = from->since;
	list_add(&grant->by_vault, from ? &from->by_vault : &vault->keepers);
	spin_unlock(&vault->keep_lock);
}

/*
 * What a grant has dropped is not counted any more: it goes, or will see none of
 * these secrets. It still is a keeper, so that nothing ends by that. Where a
 * place serves another secret by now, the count is of that one, and of others.
 */
static void secmem_grant_undrop(struct secmem_grant *grant)
{
	struct secmem_vault *vault = grant->vault;
	struct secmem_holder *holder;
	struct secmem_place *place;
	unsigned long slot = 0;

	while ((holder = secmem_holder_next(grant, &slot, &place))) {
		spin_lock(&vault->keep_lock);
		if (place->drops &&
		    secmem_holder_dropped(holder,
					  READ_ONCE(place->generation))) {
			WRITE_ONCE(place->drops, place->drops - 1);
			vault->drops--;
		}
		atomic64_andnot(SECMEM_WORD_DROPPED, &holder->word);
		spin_unlock(&vault->keep_lock);
		cond_resched();
	}
	WRITE_ONCE(grant->drops, false);
}

/* End what all have dropped who are left, and wait for workers that do. */
static void secmem_vault_judge_dropped(struct secmem_vault *vault)
{
	/* Pairs with the release in secmem_vault_append(). */
	u32 slot, count = smp_load_acquire(&vault->slot_count);
	struct secmem_place *place;

	for (slot = 0; slot < count; slot++) {
		place = secmem_vault_slot(vault, slot);
		if (READ_ONCE(place->drops) &&
		    !secmem_errand_send(place, SECMEM_ERRAND_JUDGE) &&
		    secmem_secret_dropped(place) &&
		    !atomic_read(&place->own_grants))
			secmem_errand_flush(place);
		cond_resched();
	}
}

/* The grant keeps the vault no more. What nobody else keeps is wiped. */
void secmem_grant_unkeep(struct secmem_grant *grant)
{
	struct secmem_vault *vault = grant->vault;
	bool unkept, dropped;

	if (READ_ONCE(grant->drops))
		secmem_grant_undrop(grant);
	spin_lock(&vault->keep_lock);
	list_del_init(&grant->by_vault);
	unkept = secmem_vault_unkept(vault);
	dropped = vault->drops;
	spin_unlock(&vault->keep_lock);
	if (unkept)
		secmem_vault_judge(vault, true);
	/* It may have been the last to keep what all others have dropped. */
	if (dropped)
		secmem_vault_judge_dropped(vault);
}

/*
 * A grant of all that another mm has used sees and keeps what is published from
 * now on, and nothing older. Otherwise its file would give whoever comes by it
 * all that grants of one secret keep alive.
 */
int secmem_grant_renew(struct secmem_grant *grant)
{
	struct secmem_vault *vault = grant->vault;

	lockdep_assert_held(&vault->keep_lock);
	if (grant->place || !grant->used)
		return 0;
	if (vault->era == SECMEM_ERA_MAX)
		return -EACCES;
	/* secmem_secret_publish() reads it without the lock. */
	WRITE_ONCE(vault->era, vault->era + 1);
	grant->since = vault->era;
	list_add_tail(&grant->by_vault, &vault->keepers);
	return 0;
}

/* A grant of one secret is gone, has dropped it, or never came to be. */
void secmem_place_unkeep(struct secmem_place *place)
{
	if (atomic_dec_and_test(&place->own_grants))
		secmem_errand_send(place, SECMEM_ERRAND_JUDGE);
}

/* Count a further grant of one secret, unless it is on its way out. */
int secmem_place_keep(struct secmem_grant *grant, struct secmem_place *place,
		      u64 handle)
{
	u32 generation = secmem_handle_generation(handle);
	int ret;

	/* Others may hold the secret from now on, and poll. */
	secmem_place_need_cold(place);
	ret = secmem_place_lock(place);
	if (ret)
		return ret;
	ret = secmem_grant_has_dropped(grant, place, generation) ?
		      -EKEYREVOKED :
		      secmem_place_peek(place, generation,
					SECMEM_EVENT_COPY_OUT);
	if (ret == SECMEM_MUST_WAIT || ret == -EOWNERDEAD)
		ret = 0;
	if (!ret)
		atomic_inc(&place->own_grants);
	secmem_place_unlock(place);
	return ret;
}

/**
 * secmem_vault_judge - end whatever secrets of a vault are doomed by now
 * @vault: the caller has a reference
 * @await: wait until those have ended, too, that are handed to workers
 *
 * What lingers is ended, too. Where somebody else holds a secret's lock, he sees
 * to that secret when he lets go.
 *
 * Context: Process context; waits for no lock of a secret. With @await it sleeps
 * until the module's workers are through, and these wait for locks of core mm's.
 */
void secmem_vault_judge(struct secmem_vault *vault, bool await)
{
	/* Pairs with the release in secmem_vault_append(). */
	u32 slot, count = smp_load_acquire(&vault->slot_count);
	struct secmem_place *place;

	for (slot = 0; slot < count; slot++) {
		place = secmem_vault_slot(vault, slot);
		if (!secmem_errand_send(place, SECMEM_ERRAND_JUDGE) && await &&
		    READ_ONCE(place->era) < READ_ONCE(vault->kept_since) &&
		    !atomic_read(&place->own_grants))
			secmem_errand_flush(place);
		cond_resched();
	}
}

/**
 * secmem_vault_unkept - find the era before which no grant of all keeps secrets
 * @vault: a grant of all has left its keepers
 *
 * The keepers that are left keep what was published since the least of their eras:
 * kept_since is set to that, or to the era that comes next, where none is left. It
 * only grows, because whoever keeps the vault anew keeps only what is published
 * from then on. So a secret that no such grant keeps at some moment is not kept by
 * one later, whoever looks at it, and when.
 *
 * Context: The caller holds the vault's keep_lock.
 * Return: whether kept_since has grown: then secmem_vault_judge() may find secrets
 * to end.
 */
bool secmem_vault_unkept(struct secmem_vault *vault)
{
	struct secmem_grant *least;
	u32 since;

	lockdep_assert_held(&vault->keep_lock);
	least = list_first_entry_or_null(&vault->keepers, struct secmem_grant,
					 by_vault);
	since = least ? least->since : vault->era + 1;
	if (since <= vault->kept_since)
		return false;
	/* secmem_secret_doomed() reads it without the lock. */
	WRITE_ONCE(vault->kept_since, since);
	return true;
}

/**
 * secmem_vault_revoke_number - end a vault: its secrets, and CREATE for good
 * @number: of the vault
 *
 * Context: Process context. Sleeps until all are wiped.
 * Return: 0; -ENOENT; -EINTR (the caller is being killed; they end all the same).
 */
int secmem_vault_revoke_number(unsigned long number)
{
	struct secmem_vault *vault;
	struct secmem_owner owner;
	unsigned long next = number;
	int ret = 0;

	vault = secmem_vault_next(&next);
	if (!vault)
		return -ENOENT;
	if (vault->number != number) {
		secmem_vault_put(vault);
		return -ENOENT;
	}
	WRITE_ONCE(vault->ended, true);
	/* Pairs with the one in secmem_gate_allows(). */
	smp_mb();
	secmem_vault_judge(vault, false);
	/*
	 * Who holds the lock of a place may not be scheduled for long, so this
	 * can be killed.
	 */
	if (wait_var_event_killable(&vault->live, !READ_ONCE(vault->live)))
		ret = -EINTR;
	secmem_vault_owner(vault, &owner, false);
	pr_info("secmem: vault %lu of %*pE[%d] is revoked\n", number,
		(int)strlen(owner.name), owner.name, owner.pid);
	secmem_vault_put(vault);
	return ret;
}
