"""Mutations inside an archive, whose checksums are made anew."""

import io
import itertools
import pickle
import pickletools
import warnings
import zipfile

from fuzz_bytes import cut_out, flip_bits, pad, splice, truncate


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archived(entries, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


def with_pickle(content, change):
    entries = members(content)
    (name,) = [name for name in entries if name.endswith("/data.pkl")]
    entries[name] = change(entries[name])
    return archived(entries)


def opcodes(pickled):
    starts = [position for _, _, position in pickletools.genops(pickled)] + [len(pickled)]
    return [pickled[start:end] for start, end in itertools.pairwise(starts)]


def a_number(rng):
    number = rng.choice([0, 1, 2, 5, 6, 30, 255, -1, 2**31 - 1, -(2**31), 2**40, 2**63, -(2**63), 2**200])
    return pickle.dumps(number, protocol=2)[2:-1]


def change_number(pickled, rng):
    """Sizes, strides, offsets and numbers of elements."""
    parts = opcodes(pickled)
    for _ in range(rng.choice([1, 1, 3])):
        index = rng.choice([index for index, part in enumerate(parts) if part[:1] in b"KMJ"])
        parts[index] = a_number(rng)
    return b"".join(parts)


def shuffle_opcodes(pickled, rng):
    parts = opcodes(pickled)
    for _ in range(rng.choice([1, 2, 5])):
        index, other_index = rng.randrange(len(parts)), rng.randrange(len(parts))
        match rng.randrange(4):
            case 0:
                del parts[index]
            case 1:
                parts.insert(index, parts[other_index])
            case 2:
                parts[index], parts[other_index] = parts[other_index], parts[index]
            case 3:
                parts[index] = rng.choice(
                    [b"N", b"\x88", b"]", b"}", b")", b"(", b"t", b"R", b"Q", b"0", b"2", b"b", b"\x81", b"u"]
                )
    return b"".join(parts)


def change_memo(pickled, rng):
    parts = opcodes(pickled)
    for _ in range(rng.choice([1, 3])):
        index = rng.choice([index for index, part in enumerate(parts) if part[:1] in b"qh"])
        parts[index] = parts[index][:1] + bytes([rng.randrange(256)])
    return b"".join(parts)


def flip_pickle(pickled, rng):
    return flip_bits(pickled, rng)


def cut_pickle(pickled, rng):
    return rng.choice([truncate, cut_out, pad, splice])(pickled, rng)


def change_storage_type(pickled, rng):
    wanted = rng.choice(
        [b"DoubleStorage", b"HalfStorage", b"BoolStorage", b"LongStorage", b"ComplexFloatStorage", b"Storage"]
    )
    return pickled.replace(b"FloatStorage", wanted, 1)


PICKLE_MUTATIONS = (change_number, shuffle_opcodes, change_memo, flip_pickle, cut_pickle, change_storage_type)


def flip_member(entries, rng):
    name = rng.choice([name for name in entries if "/data/" in name])
    entries[name] = flip_bits(entries[name], rng)


def resize_member(entries, rng):
    name = rng.choice([name for name in entries if "/data/" in name])
    entries[name] = rng.choice([entries[name][:-1], entries[name] + b"\0\0\0\0", b"", entries[name] * 2])


def drop_member(entries, rng):
    del entries[rng.choice(list(entries))]


def other_byte_order(entries, rng):
    name = next(name for name in entries if name.endswith("/byteorder"))
    entries[name] = rng.choice([b"big", b"big", b"middle", b"", b"little\n", b"\xff"])


def rename_member(entries, rng):
    name = rng.choice(list(entries))
    folder = name.partition("/")[0]
    entries[rng.choice(["../" + name, "/" + name, name.upper(), f"{folder}/constants.pkl", "x/" + name])] = entries.pop(
        name
    )


def swap_members(entries, rng):
    first, second = rng.sample([name for name in entries if "/data/" in name], 2)
    entries[first], entries[second] = entries[second], entries[first]


MEMBER_MUTATIONS = (flip_member, resize_member, drop_member, other_byte_order, rename_member, swap_members)
