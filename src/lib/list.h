/*
 * Doubly linked lists whose links lie inside the elements. (musl has no <sys/queue.h>.)
 *     struct list head;  list_init(&head);
 *     struct thing { struct list link; ... } *t;
 *     list_append(&head, &t->link);
 *     list_each (t, &head, link) ...          t must not leave the list in the body;
 * list_each_safe lets it
 */
#ifndef LIST_H
#define LIST_H
#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

static inline void
list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool
list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void
list_append(struct list *head, struct list *link)
{
	link->next = head;
	link->prev = head->prev;
	head->prev->next = link;
	head->prev = link;
}

static inline void
list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = link;
}

#define list_element(link, type, member)                                                 \
	((type *)(void *)((char *)(link) - offsetof(type, member)))
#define list_each(var, head, member)                                                     \
	for ((var) = list_element((head)->next, __typeof__(*(var)), member);             \
	    &(var)->member != (head);                                                    \
	    (var) = list_element((var)->member.next, __typeof__(*(var)), member))
#define list_each_safe(var, after, head, member)                                         \
	for ((var) = list_element((head)->next, __typeof__(*(var)), member),             \
	    (after) = list_element((var)->member.next, __typeof__(*(var)), member);      \
	    &(var)->member != (head); (var) = (after),                                   \
	    (after) = list_element((after)->member.next, __typeof__(*(var)), member))
/* NULL if the list is empty. */
#define list_first(head, type, member)                                                   \
	(list_empty(head) ? NULL : list_element((head)->next, type, member))
#endif
