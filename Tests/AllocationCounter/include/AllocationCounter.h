/// Allocations of heap memory that the calling thread has made so far. Linked into a program, this replaces
/// malloc and its kin (glibc).
long inkflow_allocations_of_this_thread(void);
