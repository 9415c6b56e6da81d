"""The demo's venues, which are real, and the names of its events, which are invented.

Rule: data and nothing else. A venue's slug is its permanent identity: the demo's ids come from it,
so a slug that was released is never changed or given to another venue.
"""

from evently.domain.value import value


@value
class DemoVenue:
    """A real venue: `capacity` is that of its usual show, by its operator or Wikipedia.

    `timezone` is an IANA name; `types` are its kinds of events, see EVENT_NAMES.
    """

    slug: str
    name: str
    address: str
    city: str
    state: str | None
    country: str
    postal_code: str | None
    capacity: int
    timezone: str
    types: tuple[str, ...]


ARENA = ("concert", "sports", "comedy")
HALL = ("classical", "concert", "comedy", "conference")
STADIUM = ("sports", "concert")
THEATRE = ("concert", "theatre", "comedy")
CLUB = ("club", "concert", "comedy")
JAZZ = ("jazz",)
US, UK = "United States", "United Kingdom"
# What a country's events are sold in; EUR elsewhere.
CURRENCIES = {
    US: "USD",
    UK: "GBP",
    "Canada": "CAD",
    "Brazil": "BRL",
    "Argentina": "ARS",
    "South Africa": "ZAR",
    "United Arab Emirates": "AED",
    "India": "INR",
    "Singapore": "SGD",
    "Japan": "JPY",
    "Australia": "AUD",
}
# Sold at the door, until so many hours after the start.
DOOR_TYPES, DOOR_H = frozenset({"club", "jazz"}), 1

# With a line for each field this would be ten screens long.
# fmt: off
VENUES: tuple[DemoVenue, ...] = (
    DemoVenue(
        "madison-square-garden", "Madison Square Garden", "4 Pennsylvania Plaza", "New York", "NY",
        US, "10001", 19_500, "America/New_York", ARENA,
    ),
    DemoVenue(
        "radio-city-music-hall", "Radio City Music Hall", "1260 Avenue of the Americas",
        "New York", "NY", US, "10020", 5_960, "America/New_York", THEATRE,
    ),
    DemoVenue(
        "carnegie-hall", "Carnegie Hall, Stern Auditorium", "881 Seventh Avenue", "New York", "NY",
        US, "10019", 2_804, "America/New_York", ("classical", "concert"),
    ),
    DemoVenue(
        "village-vanguard", "Village Vanguard", "178 Seventh Avenue South", "New York", "NY", US,
        "10014", 123, "America/New_York", JAZZ,
    ),
    DemoVenue(
        "930-club", "9:30 Club", "815 V Street NW", "Washington", "DC", US, "20001", 1_200,
        "America/New_York",
        CLUB,
    ),
    DemoVenue(
        "united-center", "United Center", "1901 West Madison Street", "Chicago", "IL", US, "60612",
        20_917, "America/Chicago", ARENA,
    ),
    DemoVenue(
        "first-avenue", "First Avenue", "701 First Avenue North", "Minneapolis", "MN", US, "55403",
        1_550, "America/Chicago", CLUB,
    ),
    DemoVenue(
        "ryman-auditorium", "Ryman Auditorium", "116 Rep. John Lewis Way North", "Nashville", "TN",
        US, "37219", 2_362, "America/Chicago", THEATRE,
    ),
    DemoVenue(
        "red-rocks", "Red Rocks Amphitheatre", "18300 West Alameda Parkway", "Morrison", "CO", US,
        "80465", 9_525, "America/Denver", ("concert", "comedy"),
    ),
    DemoVenue(
        "hollywood-bowl", "Hollywood Bowl", "2301 North Highland Avenue", "Los Angeles", "CA", US,
        "90068", 17_500, "America/Los_Angeles", ("classical", "concert", "comedy"),
    ),
    DemoVenue(
        "crypto-com-arena", "Crypto.com Arena", "1111 South Figueroa Street", "Los Angeles", "CA",
        US, "90015", 20_000, "America/Los_Angeles", ARENA,
    ),
    DemoVenue(
        "the-fillmore", "The Fillmore", "1805 Geary Boulevard", "San Francisco", "CA", US, "94115",
        1_315, "America/Los_Angeles", CLUB,
    ),
    DemoVenue(
        "scotiabank-arena", "Scotiabank Arena", "40 Bay Street", "Toronto", "ON", "Canada",
        "M5J 2X2", 19_800, "America/Toronto", ARENA,
    ),
    DemoVenue(
        "bell-centre", "Bell Centre", "1909 Avenue des Canadiens-de-Montréal", "Montreal", "QC",
        "Canada", "H3B 5E8", 21_105, "America/Toronto", ARENA,
    ),
    DemoVenue(
        "maracana", "Estádio do Maracanã", "Avenida Presidente Castelo Branco, Portão 3",
        "Rio de Janeiro", "RJ", "Brazil", "20271-130", 78_838, "America/Sao_Paulo", STADIUM,
    ),
    DemoVenue(
        "teatro-colon", "Teatro Colón", "Cerrito 628", "Buenos Aires", None, "Argentina", "C1010",
        2_487, "America/Argentina/Buenos_Aires", ("classical", "theatre"),
    ),
    DemoVenue(
        "royal-albert-hall", "Royal Albert Hall", "Kensington Gore", "London", None, UK, "SW7 2AP",
        5_272, "Europe/London", HALL,
    ),
    DemoVenue(
        "the-o2", "The O2 Arena", "Peninsula Square", "London", None, UK, "SE10 0DX", 20_000,
        "Europe/London",
        ARENA,
    ),
    DemoVenue(
        "wembley-stadium", "Wembley Stadium", "South Way", "London", None, UK, "HA9 0WS", 90_000,
        "Europe/London", STADIUM,
    ),
    DemoVenue(
        "barbican-hall", "Barbican Hall", "Silk Street", "London", None, UK, "EC2Y 8DS", 1_943,
        "Europe/London",
        ("classical", "conference", "jazz"),
    ),
    DemoVenue(
        "ronnie-scotts", "Ronnie Scott's", "47 Frith Street", "London", None, UK, "W1D 4HT", 220,
        "Europe/London", JAZZ,
    ),
    DemoVenue(
        "3arena", "3Arena", "North Wall Quay", "Dublin", None, "Ireland", "D01 EW90", 13_000,
        "Europe/Dublin",
        ("concert", "comedy"),
    ),
    DemoVenue(
        "accor-arena", "Accor Arena", "8 Boulevard de Bercy", "Paris", None, "France", "75012",
        20_300, "Europe/Paris", ARENA,
    ),
    DemoVenue(
        "olympia", "L'Olympia", "28 Boulevard des Capucines", "Paris", None, "France", "75009",
        1_996, "Europe/Paris", THEATRE,
    ),
    DemoVenue(
        "ziggo-dome", "Ziggo Dome", "De Passage 100", "Amsterdam", None, "Netherlands", "1101 AX",
        17_000, "Europe/Amsterdam", ARENA,
    ),
    DemoVenue(
        "paradiso", "Paradiso", "Weteringschans 6-8", "Amsterdam", None, "Netherlands", "1017 SG",
        1_500, "Europe/Amsterdam", CLUB,
    ),
    DemoVenue(
        "uber-arena", "Uber Arena", "Uber Platz 1", "Berlin", None, "Germany", "10243", 17_000,
        "Europe/Berlin",
        ARENA,
    ),
    DemoVenue(
        "berliner-philharmonie", "Berliner Philharmonie", "Herbert-von-Karajan-Straße 1", "Berlin",
        None, "Germany", "10785", 2_440, "Europe/Berlin", ("classical", "jazz"),
    ),
    DemoVenue(
        "elbphilharmonie", "Elbphilharmonie, Großer Saal", "Platz der Deutschen Einheit 1",
        "Hamburg", None, "Germany", "20457", 2_100, "Europe/Berlin", HALL,
    ),
    DemoVenue(
        "musikverein", "Musikverein, Goldener Saal", "Musikvereinsplatz 1", "Vienna", None,
        "Austria", "1010", 1_744, "Europe/Vienna", ("classical",),
    ),
    DemoVenue(
        "la-scala", "Teatro alla Scala", "Via Filodrammatici 2", "Milan", None, "Italy", "20121",
        2_030, "Europe/Rome", ("classical", "theatre"),
    ),
    DemoVenue(
        "movistar-arena-madrid", "Movistar Arena", "Avenida de Felipe II", "Madrid", None, "Spain",
        "28009", 17_453, "Europe/Madrid", ARENA,
    ),
    DemoVenue(
        "dhl-stadium", "DHL Stadium", "Fritz Sonnenberg Road", "Cape Town", "Western Cape",
        "South Africa", "8051", 55_000, "Africa/Johannesburg", STADIUM,
    ),
    DemoVenue(
        "coca-cola-arena", "Coca-Cola Arena", "City Walk, Al Wasl", "Dubai", None,
        "United Arab Emirates", None, 17_000, "Asia/Dubai", ("concert", "comedy", "conference"),
    ),
    DemoVenue(
        "jamshed-bhabha", "Jamshed Bhabha Theatre", "NCPA Marg, Nariman Point", "Mumbai",
        "Maharashtra", "India", "400021", 1_109, "Asia/Kolkata", ("theatre", "classical",
        "conference"),
    ),
    DemoVenue(
        "singapore-indoor-stadium", "Singapore Indoor Stadium", "2 Stadium Walk", "Singapore",
        None, "Singapore", "397691", 12_000, "Asia/Singapore", ARENA,
    ),
    DemoVenue(
        "nippon-budokan", "Nippon Budokan", "2-3 Kitanomaru-koen, Chiyoda-ku", "Tokyo", None,
        "Japan", "102-8321", 14_471, "Asia/Tokyo", ("concert", "sports"),
    ),
    DemoVenue(
        "tokyo-dome", "Tokyo Dome", "1-3-61 Koraku, Bunkyo-ku", "Tokyo", None, "Japan", "112-0004",
        55_000, "Asia/Tokyo", STADIUM,
    ),
    DemoVenue(
        "sydney-opera-house", "Sydney Opera House, Concert Hall", "Bennelong Point", "Sydney",
        "NSW", "Australia", "2000", 2_679, "Australia/Sydney", HALL,
    ),
    DemoVenue(
        "rod-laver-arena", "Rod Laver Arena", "Olympic Boulevard", "Melbourne", "VIC", "Australia",
        "3000", 14_820, "Australia/Melbourne", ARENA,
    ),
)
# fmt: on


@value
class EventNames:
    """What an event of one type is called, and how it is sold.

    A name is `who`, then `what`: "Paper Lanterns: Second Light Tour". It starts at `hour` local
    time and lasts `hours`. Prices are cents, from a club's to a stadium's. `part` is the share of
    the venue, in percent, that is put on sale.
    """

    who: tuple[str, ...]
    what: tuple[str, ...]
    hour: int
    hours: int
    cents: tuple[int, ...]
    part: int
    tickets_max: int
    about: str


# fmt: off
EVENT_NAMES: dict[str, EventNames] = {
    "concert": EventNames(
        who=(
            "Paper Lanterns", "The Velvet Meridian", "Nova Calloway", "Saltwater Choir",
            "Iron Orchard", "Juniper & the Tides", "Midnight Cartographers", "Lior Santos",
            "Glass Harbour", "The Quiet Engines", "Amara Vale", "Northbound Ghosts",
            "Electric Almanac", "Rosa Quintero", "Wolves of Tuesday", "Tomorrow's Radio",
            "Hana Mori", "Copper Skyline", "The Last Postcards", "Silas Okoye",
        ),
        what=(
            "Second Light Tour", "The Long Way Home", "Live at Last", "World Tour",
            "Songs from the Attic", "Ten Years On", "One Night Only", "The Neon Season",
            "Unplugged", "Farewell to Winter",
        ),
        hour=20, hours=3, cents=(3_950, 5_950, 7_950, 9_900, 12_500), part=90, tickets_max=8,
        about="{who} come to {venue} in {city} with a new show and a few old favourites.",
    ),
    "sports": EventNames(
        who=(
            "Harbour Kings v River City", "Comets v Granite", "Northern Lights v Falcons",
            "Open Court Masters", "Grand Prix of Boxing", "Highland Bears v Metro Wolves",
            "Indoor Athletics Classic", "Champions of the Ring", "City Derby",
            "Ice Hawks v Thunder Bay", "Tigers v Royals", "International Gymnastics Gala",
        ),
        what=(
            "Regular Season", "Quarter-Final", "Semi-Final", "Final", "Charity Match",
            "Opening Night", "All-Star Night",
        ),
        hour=19, hours=3, cents=(2_500, 4_500, 6_900, 8_900, 14_900), part=95, tickets_max=10,
        about="{what} at {venue}, {city}. Doors open ninety minutes before the start.",
    ),
    "comedy": EventNames(
        who=(
            "Dot Pemberton", "Marcus Idle", "Priya Raman", "The Understudies", "Olu Bright",
            "Gwen Harkness", "Two Left Feet", "Felix Nakamura",
        ),
        what=(
            "Mostly True", "Please Be Seated", "Work in Progress", "Louder", "No Refunds",
            "My Mother Says Hello",
        ),
        hour=20, hours=2, cents=(2_200, 3_200, 4_500, 5_900, 6_900), part=70, tickets_max=6,
        about="An evening with {who}: ninety minutes, one microphone, no interval.",
    ),
    "theatre": EventNames(
        who=(
            "The Glass Cartographer", "A Winter in Trieste", "Seven Umbrellas", "The Night Ferry",
            "Letters to Ostend", "The Weather Maker",
        ),
        what=(
            "Premiere", "Matinee", "Touring Production", "Final Performance", "Evening",
        ),
        hour=19, hours=3, cents=(2_900, 4_900, 6_900, 8_900, 9_900), part=90, tickets_max=8,
        about="{who}, a play in two acts, at {venue} in {city}.",
    ),
    "classical": EventNames(
        who=(
            "Meridian Symphony Orchestra", "Camerata Aurora", "Elena Vasquez, piano",
            "The Harbour Quartet", "Orchestra of the Old Town", "Voces Claras",
            "Jonas Lindqvist, cello",
        ),
        what=(
            "Beethoven's Ninth", "Bach by Candlelight", "The Planets", "Mahler's Second",
            "Schubert's Winter Journey", "New Year Gala", "Dvořák and Janáček", "Requiem",
        ),
        hour=19, hours=2, cents=(2_500, 3_900, 5_900, 7_900, 9_500), part=95, tickets_max=6,
        about="{who} at {venue}. {what}, with an introduction an hour before.",
    ),
    "conference": EventNames(
        who=(
            "Open Cloud Days", "Women in Engineering", "Future of Cities", "Data & Society",
            "Sustainable Design Forum", "Independent Publishers' Congress",
        ),
        what=(
            "Day One", "Day Two", "Keynotes", "Annual Meeting", "Workshop Day",
        ),
        hour=9, hours=8, cents=(9_900, 14_900, 19_900, 24_900, 29_900), part=60, tickets_max=20,
        about="{who}: {what} at {venue}, {city}. Lunch is included.",
    ),
    "club": EventNames(
        who=(
            "Night Shift", "DJ Perihelion", "Basement Theory", "Lowlight", "Kilo Sierra",
            "Static Garden",
        ),
        what=(
            "All Night Long", "Label Night", "Residency", "Launch Party", "Back to the Basement",
        ),
        hour=22, hours=6, cents=(1_500, 1_900, 2_400, 2_900, 3_500), part=95, tickets_max=4,
        about="{who} at {venue} until the morning. Over 18 only.",
    ),
    "jazz": EventNames(
        who=(
            "The Ada Brooks Quintet", "Theo Lang Trio", "Mirella Conti", "Big Band of the North",
            "Samuel Adeyemi Group", "Blue Hour Orchestra",
        ),
        what=(
            "Early Set", "Late Set", "Tribute to Ellington", "New Standards", "Album Release",
        ),
        hour=20, hours=2, cents=(3_000, 3_500, 4_000, 4_500, 5_000), part=100, tickets_max=4,
        about="{who} play {venue} in {city}: {what}.",
    ),
}
# fmt: on
