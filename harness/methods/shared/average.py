"""A running average of the weights, which becomes the model when a task ends."""

from harness.methods.view import SavedState, Sharded, State, View


class Average:
    """One fp32 copy of each rank's shards. values: the average so far; nothing before `begin`."""

    def __init__(self) -> None:
        self.values: Sharded = {}

    def begin(self, view: View) -> None:
        """It is the weights as they are now."""
        self.values = view.weights()

    def add(self, view: View, share: float) -> None:
        """average <- (1 - share) average + share theta."""
        for shard in view.shards():
            self.values[shard.name].lerp_(shard.weight, share)

    def leave(self, view: View) -> None:
        """Collective. It becomes the model."""
        view.update_weights(lambda shard: self.values[shard.name])

    def state(self) -> State:
        """What `read` takes."""
        return State(sharded={"average": self.values})

    def read(self, saved: SavedState, view: View) -> None:
        self.values = saved.sharded("average", view) or {}
