"""The files of a node's write-ahead log, as far as a test needs them to damage them (docs/formats/wal.md)."""
import struct


def batches(folder):
    """(file, offset, size) of the batches in the log, in order of their numbers."""
    found = []
    for file in sorted(folder.glob("wal-*.log")):
        data = file.read_bytes()
        for offset in range(0, len(data), 4096):
            length, batch, _, _, _, _, _, ordinal, kind = struct.unpack_from("<IQQQQIIIB", data, offset + 12)
            if batch and ordinal == 0 and 1 <= kind & 0x7F <= 9 and 64 + length <= len(data) - offset:
                found.append((batch, file, offset, 64 + length))
    return [entry[1:] for entry in sorted(found, key=lambda entry: entry[0])]


def flip(file, offset, count=16):
    with open(file, "r+b") as out:
        out.seek(offset)
        old = out.read(count)
        out.seek(offset)
        out.write(bytes(byte ^ 0xFF for byte in old))
        return old
