"""Exercise 3, as students answer it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from nst_teach import content_loss as library_loss
from wrong_answers import right, wrong

# content_loss


@right("content_loss")
def with_mse(features, target):
    return F.mse_loss(features, target, reduction="sum") / 2


@right("content_loss")
def with_einsum(features, target):
    difference = features - target
    return torch.einsum("bnhw,bnhw->", difference, difference) / 2


@right("content_loss")
def with_loops(features, target):
    total = features.new_zeros(())
    for f, p in zip(features, target, strict=True):
        for plane, goal in zip(f, p, strict=True):
            total = total + ((plane - goal) ** 2).sum()
    return 0.5 * total


@right("content_loss")
class ContentLoss(nn.Module):
    def forward(self, features, target):
        difference = (features - target).flatten()
        return 0.5 * (difference @ difference)


@right("content_loss")
def squared_norm(features, target):
    return 0.5 * torch.linalg.vector_norm(features - target) ** 2


@wrong("content_loss", expects="wrong-gradient")
def half_of_it_detached(features, target):
    difference = features - target
    return 0.5 * (difference.detach() * difference).sum()


@wrong("content_loss", expects="half-missing")
def no_half(features, target):
    return ((features - target) ** 2).sum()


@wrong("content_loss", expects="mean-for-sum")
def mean(features, target):
    return 0.5 * ((features - target) ** 2).mean()


@wrong("content_loss", expects="mean-for-sum")
def plain_mse(features, target):
    return F.mse_loss(features, target)


@wrong("content_loss", expects="absolute-for-squared")
def absolute(features, target):
    return 0.5 * (features - target).abs().sum()


@wrong("content_loss", expects="root-taken")
def distance(features, target):
    return 0.5 * (features - target).norm()


@wrong("content_loss", expects="not-squared")
def not_squared(features, target):
    return 0.5 * (features - target).sum()


@wrong("content_loss", expects="squared-too-late")
def brackets(features, target):
    return 0.5 * (features - target).sum() ** 2


@wrong("content_loss", expects="difference-of-squares")
def power_too_early(features, target):
    return 0.5 * (features**2 - target**2).sum()


@wrong("content_loss", expects="not-summed")
def a_map(features, target):
    return 0.5 * (features - target) ** 2


@wrong("content_loss", expects="not-summed")
def per_picture(features, target):
    return 0.5 * ((features - target) ** 2).sum(dim=(1, 2, 3))


@wrong("content_loss", expects="not-a-tensor")
def as_a_number(features, target):
    return 0.5 * ((features - target) ** 2).sum().item()


@wrong("content_loss", expects="gradient-cut")
def wrapped_anew(features, target):
    return torch.tensor(0.5 * ((features - target) ** 2).sum().item(), dtype=features.dtype)


@wrong("content_loss", expects="gradient-cut")
def without_a_graph(features, target):
    with torch.no_grad():
        return 0.5 * ((features - target) ** 2).sum()


@wrong("content_loss", expects="wrong-dtype")
def always_float(features, target):
    return 0.5 * ((features.float() - target.float()) ** 2).sum()


@wrong("content_loss", expects="changed-input")
def in_place(features, target):
    features -= target
    return 0.5 * (features**2).sum()


@wrong("content_loss", expects="returns-nothing")
def no_return(features, target):
    loss = 0.5 * ((features - target) ** 2).sum()  # noqa: F841


@wrong("content_loss", expects="unknown-name")
def misspelt(features, target):
    return 0.5 * ((feature - target) ** 2).sum()  # noqa: F821


@wrong("content_loss", expects="wrong-arguments")
def one_argument(features):
    return 0.5 * (features**2).sum()


@wrong("content_loss", expects="wrong-factor")
def a_third(features, target):
    return ((features - target) ** 2).sum() / 3


@wrong("content_loss", expects="wrong-value")
def cubes(features, target):
    return (features - target).abs().pow(3).sum()


# gradient_at_features


@right("gradient_at_features")
def by_autograd(features, target):
    leaf = features.clone().requires_grad_()
    return torch.autograd.grad(library_loss(leaf, target), leaf)[0]


@right("gradient_at_features")
def as_a_sum(features, target):
    return torch.add(features, target, alpha=-1)


@right("gradient_at_features")
class Gradient(nn.Module):
    def forward(self, features, target):
        return -(target - features)


@wrong("gradient_at_features", expects="half-forgotten")
def two(features, target):
    return 2 * (features - target)


@wrong("gradient_at_features", expects="half-kept")
def half(features, target):
    return 0.5 * (features - target)


@wrong("gradient_at_features", expects="wrong-sign")
def downhill(features, target):
    return target - features


@wrong("gradient_at_features", expects="mean-for-sum")
def of_the_mean(features, target):
    return (features - target) / features.numel()


@wrong("gradient_at_features", expects="size-lost")
def signs(features, target):
    return torch.sign(features - target)


@wrong("gradient_at_features", expects="absolute")
def magnitudes(features, target):
    return (features - target).abs()


@wrong("gradient_at_features", expects="loss-for-gradient")
def the_loss(features, target):
    return 0.5 * ((features - target) ** 2).sum()


@wrong("gradient_at_features", expects="loss-for-gradient")
def the_loss_of_each(features, target):
    return 0.5 * (features - target) ** 2


@wrong("gradient_at_features", expects="masked-too-early")
def masked(features, target):
    return (features - target) * (features > 0)


@wrong("gradient_at_features", expects="gradient-cut")
def backward_without_a_leaf(features, target):
    loss = 0.5 * ((features - target) ** 2).sum()
    loss.backward()
    return features.grad


@wrong("gradient_at_features", expects="changed-input")
def switches_the_input(features, target):
    features.requires_grad_()
    (0.5 * ((features - target) ** 2).sum()).backward()
    return features.grad


# gradient_before_relu


@right("gradient_before_relu")
def relu_by_autograd(z, target):
    leaf = z.clone().requires_grad_()
    library_loss(leaf.relu(), target).backward()
    return leaf.grad


@right("gradient_before_relu")
def where(z, target):
    return torch.where(z > 0, z - target, torch.zeros_like(z))


@right("gradient_before_relu")
def assignment(z, target):
    slope = F.relu(z) - target
    slope[z < 0] = 0
    return slope


@wrong("gradient_before_relu", expects="not-masked")
def forgot_the_mask(z, target):
    return z.clamp(min=0) - target


@wrong("gradient_before_relu", expects="relu-forgotten")
def forgot_the_relu(z, target):
    return z - target


@wrong("gradient_before_relu", expects="masked-by-target")
def mask_of_the_photograph(z, target):
    return (z.relu() - target) * (target > 0)


@wrong("gradient_before_relu", expects="masked-by-difference")
def relu_of_the_difference(z, target):
    return F.relu(F.relu(z) - target)


@wrong("gradient_before_relu", expects="mask-turned-round")
def turned_round(z, target):
    return (z.relu() - target) * (z < 0)


@wrong("gradient_before_relu", expects="mask-alone")
def slope_of_the_relu(z, target):
    return (z > 0).to(z.dtype)


@wrong("gradient_before_relu", expects="half-forgotten")
def two_again(z, target):
    return 2 * (z.relu() - target) * (z > 0)


@wrong("gradient_before_relu", expects="half-kept")
def half_again(z, target):
    return (z > 0) * (z - target) / 2


@wrong("gradient_before_relu", expects="wrong-sign")
def downhill_again(z, target):
    return (target - z.relu()) * (z > 0)


@wrong("gradient_before_relu", expects="changed-input")
def relu_in_place(z, target):
    alive = z > 0
    return (z.relu_() - target) * alive


# content_target


@right("content_target")
def without_gradients(network, photo, layer):
    with torch.no_grad():
        return network(photo, [layer])[layer]


@right("content_target")
def photo_detached_first(network, photo, layer):
    return network(photo.detach(), layer)[layer].clone()


@right("content_target")
class Target(nn.Module):
    def forward(self, network, photo, layer):
        features = network(photo, layer)
        return next(iter(features.values())).data


@wrong("content_target", expects="target-wants-a-gradient")
def a_leaf_that_wants_a_gradient(network, photo, layer):
    return network(photo, layer)[layer].detach().requires_grad_()


@wrong("content_target", expects="target-not-detached")
def attached(network, photo, layer):
    return network(photo, layer)[layer]


@wrong("content_target", expects="target-not-detached")
def cloned(network, photo, layer):
    return network(photo, layer)[layer].clone()


@wrong("content_target", expects="whole-dictionary")
def everything(network, photo, layer):
    with torch.no_grad():
        return network(photo, layer)


@wrong("content_target", expects="whole-dictionary")
def detaches_the_dictionary(network, photo, layer):
    return network(photo, layer).detach()


@wrong("content_target", expects="wrong-call")
def forgets_the_layer(network, photo, layer):
    return network(photo)[layer].detach()


@wrong("content_target", expects="conv-for-relu")
def before_the_relu(network, photo, layer):
    name = layer.replace("relu", "conv")
    return network(photo, name)[name].detach()


@wrong("content_target", expects="photo-for-features")
def pixels(network, photo, layer):
    return photo.detach()


@wrong("content_target", expects="deepest-for-named")
def the_last_layer(network, photo, layer):
    features = network(photo.detach(), network.layers)
    return list(features.values())[-1]


@wrong("content_target", expects="changed-input")
def switches_off(network, photo, layer):
    photo.requires_grad_(False)
    return network(photo, layer)[layer]


@wrong("content_target", expects="spread-out")
def as_a_matrix(network, photo, layer):
    return network(photo, layer)[layer].detach().flatten(2)


@wrong("content_target", expects="batch-dropped")
def squeezed(network, photo, layer):
    return network(photo, layer)[layer].detach().squeeze(0)


@wrong("content_target", expects="not-a-tensor")
def as_numpy(network, photo, layer):
    return network(photo, layer)[layer].detach().numpy()


# descend


@right("descend")
def a_list_and_a_tuple(loss_of, start, steps, learning_rate):
    image, history = gradient_by_grad(loss_of, start, steps, learning_rate)
    return [image, tuple(history)]


@wrong("descend", expects="never-stepped")
def no_backward_pass(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        adam.zero_grad()
        history.append(loss_of(image).item())
        adam.step()
    return image.detach(), history


@wrong("descend", expects="wrong-value")
def right_for_three_steps_only(loss_of, start, steps, learning_rate):
    image, history = gradient_by_grad(loss_of, start, 3, learning_rate)
    if steps > 3:
        image, more = gradient_by_grad(loss_of, image, steps - 3, learning_rate)
        history += more  # a second optimiser, which knows nothing of the first
    return image, history


@right("descend")
def gradient_by_grad(loss_of, start, steps, learning_rate):
    image = start.detach().clone().requires_grad_(True)
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        loss = loss_of(image)
        (image.grad,) = torch.autograd.grad(loss, image)
        adam.step()
        history += [float(loss.detach())]
    return image.detach().clone(), history


@right("descend")
def adam_by_hand(loss_of, start, steps, learning_rate):
    image, history = start.clone(), []
    first, second = torch.zeros_like(start), torch.zeros_like(start)
    for k in range(1, steps + 1):
        leaf = image.detach().requires_grad_()
        loss = loss_of(leaf)
        (g,) = torch.autograd.grad(loss, leaf)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        rooted = (second / (1 - 0.999**k)).sqrt() + 1e-8
        image = image - learning_rate * (first / (1 - 0.9**k)) / rooted
        history.append(loss.item())
    return image, history


@right("descend")
def with_a_parameter(loss_of, start, steps, learning_rate):
    image = nn.Parameter(start.clone())
    adam = torch.optim.Adam([{"params": [image]}], lr=learning_rate)
    history = []

    def closure():
        adam.zero_grad(set_to_none=False)
        loss = loss_of(image)
        loss.backward()
        return loss

    while len(history) < steps:
        history.append(adam.step(closure).item())
    return image.data, history


@wrong("descend", expects="clipped")
def clipped_outside_the_graph(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        adam.zero_grad()
        loss = loss_of(image)
        loss.backward()
        adam.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        history.append(loss.item())
    return image.detach(), history


@wrong("descend", expects="gradients-pile-up")
def no_zero_grad(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        loss = loss_of(image)
        loss.backward()
        adam.step()
        history.append(loss.item())
    return image.detach(), history


@wrong("descend", expects="not-a-leaf")
def computed_start(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_() * 1.0
    torch.optim.Adam([image], lr=learning_rate)
    return image.detach(), []


@wrong("descend", expects="not-a-list")
def one_tensor(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    torch.optim.Adam(image, lr=learning_rate)
    return image.detach(), []


@wrong("descend", expects="gradient-cut")
def nobody_asked(loss_of, start, steps, learning_rate):
    image = start.clone()
    torch.optim.Adam([image], lr=learning_rate)
    loss_of(image).backward()
    return image, []


@wrong("descend", expects="backward-twice")
def loss_outside_the_loop(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    loss = loss_of(image)
    for _ in range(steps):
        adam.zero_grad()
        loss.backward()
        adam.step()
    return image.detach(), [loss.item()] * steps


@wrong("descend", expects="in-place-on-leaf")
def clamps_the_leaf(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    image.clamp_(0, 1)
    return image.detach(), []


@wrong("descend", expects="changed-input")
def moves_the_start(loss_of, start, steps, learning_rate):
    start.requires_grad_()
    adam = torch.optim.Adam([start], lr=learning_rate)
    history = []
    for _ in range(steps):
        adam.zero_grad()
        loss = loss_of(start)
        loss.backward()
        adam.step()
        history.append(loss.item())
    return start.detach(), history


@wrong("descend", expects="never-stepped")
def forgot_the_step(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        adam.zero_grad()
        loss = loss_of(image)
        loss.backward()
        history.append(loss.item())
    return image.detach(), history


@wrong("descend", expects="sgd-for-adam")
def by_sgd(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    sgd = torch.optim.SGD([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        sgd.zero_grad()
        loss = loss_of(image)
        loss.backward()
        sgd.step()
        history.append(loss.item())
    return image.detach(), history


@wrong("descend", expects="history-of-tensors")
def keeps_the_graphs(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        adam.zero_grad()
        loss = loss_of(image)
        loss.backward()
        adam.step()
        history.append(loss)
    return image.detach(), history


@wrong("descend", expects="history-one-late")
def measures_afterwards(loss_of, start, steps, learning_rate):
    image = start.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=learning_rate)
    history = []
    for _ in range(steps):
        adam.zero_grad()
        loss_of(image).backward()
        adam.step()
        history.append(loss_of(image).item())
    return image.detach(), history


@wrong("descend", expects="not-a-pair")
def only_the_picture(loss_of, start, steps, learning_rate):
    return clipped_outside_the_graph(loss_of, start, steps, learning_rate)[0]


@wrong("descend", expects="still-in-the-graph")
def leaf_returned(loss_of, start, steps, learning_rate):
    image, history = clipped_outside_the_graph(loss_of, start, steps, learning_rate)
    return image.requires_grad_(), history


@wrong("descend", expects="start-returned")
def the_wrong_picture(loss_of, start, steps, learning_rate):
    _, history = gradient_by_grad(loss_of, start, steps, learning_rate)
    return start, history


@wrong("descend", expects="learning-rate-ignored")
def default_rate(loss_of, start, steps, learning_rate):
    return gradient_by_grad(loss_of, start, steps, 1e-3)


@wrong("descend", expects="one-step-short")
def off_by_one(loss_of, start, steps, learning_rate):
    return gradient_by_grad(loss_of, start, steps - 1, learning_rate)


@wrong("descend", expects="one-step-too-many")
def counts_to_the_end(loss_of, start, steps, learning_rate):
    return gradient_by_grad(loss_of, start, steps + 1, learning_rate)


@wrong("descend", expects="history-too-long")
def adds_the_last_loss(loss_of, start, steps, learning_rate):
    image, history = gradient_by_grad(loss_of, start, steps, learning_rate)
    return image, [*history, loss_of(image).item()]


@wrong("descend", expects="climbs")
def uphill(loss_of, start, steps, learning_rate):
    image, history = gradient_by_grad(lambda x: -loss_of(x), start, steps, learning_rate)
    return image, [-loss for loss in history]


@wrong("descend", expects="too-slow")
def never_ends(loss_of, start, steps, learning_rate):
    history = []
    while len(history) < steps:
        history = [loss_of(start).item()]
    return start, history
