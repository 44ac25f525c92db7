"""Prints what TensorBoard's own reader finds in a folder of event files, as JSON."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
accumulator.Reload()
tags = accumulator.Tags()
print(json.dumps({
    "scalars": {
        tag: [[event.step, event.value] for event in accumulator.Scalars(tag)] for tag in sorted(tags["scalars"])
    },
    "images": {
        tag: [[event.step, event.width, event.height, len(event.encoded_image_string)]
              for event in accumulator.Images(tag)]
        for tag in sorted(tags["images"])
    },
}))
