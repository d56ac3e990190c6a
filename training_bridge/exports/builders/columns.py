"""The column types that formats share."""

import pyarrow as pa

SPANS = pa.list_(
    pa.struct(
        [
            ("start", pa.int64()),
            ("end", pa.int64()),
            ("tag", pa.string()),
            ("severity", pa.string()),
            ("constraint", pa.int64()),
        ]
    )
)
PLACES = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))
CONSTRAINTS = pa.list_(pa.int64())
