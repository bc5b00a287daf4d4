"""What an operator moves, asked of its schema anew at every call: slow, and the specification of the quick one."""

from effbench.measure.traffic import LOOKUPS, NOT_WRITTEN, ONLY_WRITTEN, SCATTERED, distinct_bytes, parts, storage


def plain_traffic(operator, args, kwargs, out):
    """Return (bytes read, bytes written, numbers of elements of fresh outputs) of a call of an ``OpOverload``."""
    name, schema = operator._overloadpacket.__name__, operator._schema
    given = {a.name: (a, value) for a, value in zip(schema.arguments, args)}
    given |= {a.name: (a, kwargs[a.name]) for a in schema.arguments if a.name in kwargs}
    inputs = [t for _, value in given.values() for t in strided(value)]
    changed = [t for a, value in given.values() if a.alias_info and a.alias_info.is_write for t in strided(value)]
    known = {storage(t) for t in inputs}
    fresh = [t for t in strided(out) if storage(t) not in known]
    if operator.namespace == "prim" or (strided(out) and not fresh and not changed):
        return 0, 0, []
    first = next(iter(given.values()))[1] if given else None
    unread = [t for a, value in given.values() if a.is_out for t in strided(value)]
    unread += strided(first) if name in ONLY_WRITTEN else []
    read = once(t for t in inputs if not any(t is other for other in unread))
    written = [] if name in NOT_WRITTEN else once([*changed, *fresh])
    most = float("inf")
    if name in LOOKUPS:
        most = sum(map(distinct_bytes, written))
    elif name in SCATTERED and SCATTERED[name] in given:
        most = sum(distinct_bytes(t) for t in strided(given[SCATTERED[name]][1]) if t.numel() > 1) or most
    of_first = [min(distinct_bytes(t), most) if t is first else distinct_bytes(t) for t in read]
    into_first = [
        min(distinct_bytes(t), most) if t is first and name in SCATTERED else distinct_bytes(t) for t in written
    ]
    return sum(of_first), sum(into_first), [t.numel() for t in fresh]


def strided(value):
    """Return the tensors in an argument or a result."""
    import torch

    if isinstance(value, torch.Tensor):
        return [t for t in parts(value) if t.layout == torch.strided]
    return [t for item in value for t in strided(item)] if isinstance(value, list | tuple) else []


def once(found):
    """Return the tensors without those that show the same memory in the same way."""
    seen = {}
    for t in found:
        seen.setdefault((storage(t), t.storage_offset(), t.shape, t.stride(), t.dtype), t)
    return list(seen.values())
