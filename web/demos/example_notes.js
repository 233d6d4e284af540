/** Notes to try the search page with. */

export const EXAMPLE_NAME = "Example";

export const EXAMPLE_NOTES = `# Garden

Ferns and hostas are happy under the old pear tree, where hardly any sun comes through. They only want moist soil.

Tomatoes need six hours of full sun a day, and a stake to climb. Pinch out the side shoots once a week.

Slugs ate the lettuce again. Copper tape around the bed keeps them away better than beer traps.

# Kitchen

Bread: 500 g of flour, 350 g of water, 10 g of salt, a little yeast. Let the dough rest overnight in the refrigerator, then bake it hot with steam.

Lentil soup: fry an onion with cumin, add red lentils and stock, cook for twenty minutes, finish with lemon juice.

The knife goes to the grinder on the market, every second Saturday. It cuts like new for half a year.

# Bicycle

The rear brake squeals when it rains. Clean the rim with alcohol and turn the pads slightly inwards.

Chain: replace it when the gauge falls in, about every 3,000 km. Then the cassette lasts three times as long.

A flat tyre on the way: the spare tube is in the saddle bag, the small pump under the bottle cage.

# Home

The landlord's number for a broken heating is 555 0142; the boiler must be bled in October.

The passport expires in March. Make an appointment at the town hall and bring a photograph.

Grandmother's birthday is on the ninth of June. She likes peonies and crime novels.
`;
