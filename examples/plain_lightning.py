"""Use the network and the data with plain Lightning, without Hydra, MLflow or the command line.

python examples/plain_lightning.py
"""

import torch
from lightning.pytorch import Trainer

from multihead import DigitsDataModule, MultiheadLitModule, SimpleCNN

data = DigitsDataModule(multihead=True, batch_size=32)
net = SimpleCNN(heads_config=data.num_classes, input_size=data.image_shape[1:])
module = MultiheadLitModule(net, torch.optim.Adam, torch.optim.lr_scheduler.StepLR)
trainer = Trainer(max_epochs=5, logger=False, enable_checkpointing=False)
trainer.fit(module, data)
trainer.test(module, data)
