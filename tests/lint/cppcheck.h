/* For cppcheck, which reads no system headers: what loops are, or it takes them for
 * calls. */
#define HASH_ITER(hh, head, el, tmp)           for ((el) = (head), (tmp) = 0; (el); (el) = (tmp))
#define TAILQ_FOREACH(v, h, f)                 for ((v) = (h)->tqh_first; (v); (v) = (v)->f.tqe_next)
#define STAILQ_FOREACH(v, h, f)                for ((v) = (h)->stqh_first; (v); (v) = (v)->f.stqe_next)
#define AST_MODULE_INFO(key, flags, text, ...) int ast_module_info
